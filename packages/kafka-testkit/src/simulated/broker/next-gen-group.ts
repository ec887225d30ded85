import type { TopicPartition } from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { Assign } from "./assignors.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, namesOf, type Topics } from "./topics.js";

/** A member's epoch in its first heartbeat, and in its last: for good, or as a static member that will be back. */
export const JOIN_EPOCH = 0;
export const LEAVE_EPOCH = -1;
export const PAUSE_EPOCH = -2;

export interface Heartbeat {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly epoch: number;
  readonly assign: Assign;
  /** Of all topics there are, those the member reads. */
  readonly reads: (topic: string) => boolean;
  readonly rebalanceTimeoutMs: number;
  /** What the member holds, once it has done what the last answer asked for; absent until then. */
  readonly owned: readonly TopicPartition[] | undefined;
}

export type HeartbeatAnswer =
  | { readonly error: number }
  | { readonly error: undefined; readonly epoch: number; readonly assignment: readonly TopicPartition[] };

interface Member {
  readonly id: string;
  request: Heartbeat;
  epoch: number;
  /** What it is to have in the end. */
  target: readonly TopicPartition[];
  /** What it may have now. */
  assigned: readonly TopicPartition[];
  /** What it has been asked to give up, and has not. */
  revoking: readonly TopicPartition[];
  /** A static member that left for a moment. */
  paused: boolean;
  session: Cancellable | undefined;
  revocation: Cancellable | undefined;
}

/**
 * A group of the newer protocol (KIP-848): the broker assigns, and each member is brought there by its own heartbeats.
 *
 *     target changes ──heartbeat──► asked to give up ──heartbeat without it──► at the target's epoch: gets what is free
 *                                          │                                      ▲            │
 *                                          └─ too late: out of the group          └─ heartbeat ┘ while some is not free
 */
export class NextGenGroup {
  readonly #id: string;
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #sessionMs: number;
  readonly heartbeatIntervalMs: number;
  readonly #members = new Map<string, Member>();
  /** Who may have a partition, or has not given it up. */
  readonly #holders = new Map<string, Member>();
  #epoch = 0;
  #seenTopics = -1;
  /** The topics and their sizes at the last assignment. */
  #seen = "";

  constructor(
    id: string,
    simulation: Simulation,
    topics: Topics,
    timings: { readonly heartbeatIntervalMs: number; readonly sessionTimeoutMs: number },
  ) {
    this.#id = id;
    this.#simulation = simulation;
    this.#topics = topics;
    this.#sessionMs = timings.sessionTimeoutMs;
    this.heartbeatIntervalMs = timings.heartbeatIntervalMs;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** How many members it has. */
  get size(): number {
    return this.#members.size;
  }

  get assignments(): ReadonlyMap<string, readonly TopicPartition[]> {
    return new Map([...this.#members].map(([id, { assigned }]) => [id, assigned]));
  }

  heartbeat(request: Heartbeat): HeartbeatAnswer {
    if (request.epoch < 0) return this.#leave(request);
    const member = request.epoch === JOIN_EPOCH ? this.#admit(request) : this.#members.get(request.memberId);
    if (member === "unreleased") return { error: CODE.unreleasedInstance };
    if (!member) return { error: CODE.unknownMember };
    if (request.epoch !== JOIN_EPOCH && request.epoch !== member.epoch) return { error: CODE.fencedMemberEpoch };
    member.request = request;
    this.#watch(member);
    this.#refresh();
    this.#reconcile(member);
    return { error: undefined, epoch: member.epoch, assignment: member.assigned };
  }

  /** The session of the member is over, whether or not the member lives: it learns of it by its next heartbeat. */
  expire(memberId: string): void {
    const member = this.#members.get(memberId);
    if (!member) return;
    this.#event(`${memberId} timed out`);
    this.#remove(member);
  }

  refusal({ memberId, generation }: { readonly memberId: string; readonly generation: number }): number | undefined {
    const member = this.#members.get(memberId);
    if (!member) return CODE.unknownMember;
    return member.epoch === generation ? undefined : CODE.staleMemberEpoch;
  }

  /** A member that joins again after it was fenced begins anew. */
  #admit(request: Heartbeat): Member | "unreleased" {
    const known = this.#members.get(request.memberId);
    if (known) this.#release(known, [...known.assigned, ...known.revoking]);
    const { instanceId } = request;
    const old = [...this.#members.values()].find(
      (each) => each !== known && instanceId !== undefined && each.request.instanceId === instanceId,
    );
    if (old && !old.paused) return "unreleased";
    const member: Member = {
      id: request.memberId,
      request,
      epoch: JOIN_EPOCH,
      target: old?.target ?? [],
      assigned: [],
      revoking: [],
      paused: false,
      session: known?.session,
      revocation: known?.revocation,
    };
    this.#event(`${member.id} ${old ? `replaces ${old.id}` : "joins"}`);
    if (old) this.#forget(old);
    this.#members.set(member.id, member);
    if (!old) this.#retarget();
    return member;
  }

  #leave({ memberId, epoch }: Heartbeat): HeartbeatAnswer {
    const member = this.#members.get(memberId);
    if (!member) return { error: CODE.unknownMember };
    this.#event(`${memberId} leaves${epoch === PAUSE_EPOCH ? " for a moment" : ""}`);
    // A static member comes back to its place, if it does so within its session.
    if (epoch === PAUSE_EPOCH) member.paused = true;
    else this.#remove(member);
    return { error: undefined, epoch, assignment: [] };
  }

  #remove(member: Member): void {
    this.#forget(member);
    this.#retarget();
  }

  #forget(member: Member): void {
    member.session?.cancel();
    member.revocation?.cancel();
    this.#members.delete(member.id);
    this.#release(member, [...member.assigned, ...member.revoking]);
  }

  #refresh(): void {
    if (this.#seenTopics === this.#topics.version) return;
    this.#seenTopics = this.#topics.version;
    if (this.#layout() !== this.#seen) this.#retarget();
  }

  #layout(): string {
    const requests = [...this.#members.values()].map(({ request }) => request);
    const read = this.#topics.names.filter((topic) => requests.some(({ reads }) => reads(topic)));
    return read.map((topic) => `${topic}/${this.#topics.partitionsOf(topic)}`).join();
  }

  #retarget(): void {
    this.#seen = this.#layout();
    this.#epoch += 1;
    const members = [...this.#members.values()].sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));
    const [first] = members;
    if (!first) return this.#event(`is empty, epoch ${this.#epoch}`);
    const targets = first.request.assign(
      members.map((member) => ({
        rank: rankOf(member),
        topics: this.#topics.names.filter((topic) => member.request.reads(topic)),
        owned: member.target,
      })),
      (topic) => Array.from({ length: this.#topics.partitionsOf(topic) }, (_, partition) => ({ topic, partition })),
    );
    members.forEach((member, index) => {
      member.target = targets[index] ?? [];
      this.#event(`epoch ${this.#epoch} wants ${member.id} to have ${namesOf(member.target)}`);
    });
  }

  /** One step of the member towards its target. */
  #reconcile(member: Member): void {
    const { owned } = member.request;
    if (member.revoking.length > 0) {
      if (!owned || member.revoking.some((each) => has(owned, each))) return;
      this.#event(`${member.id} gave up ${namesOf(member.revoking)}`);
      this.#release(member, member.revoking);
      member.revoking = [];
    }
    member.revocation?.cancel();
    member.revocation = undefined;
    const revoking = member.assigned.filter((each) => !has(member.target, each));
    if (revoking.length > 0) {
      member.assigned = member.assigned.filter((each) => has(member.target, each));
      member.revoking = revoking;
      this.#event(`${member.id} is asked for ${namesOf(revoking)}`);
      member.revocation = this.#simulation.schedule(member.request.rebalanceTimeoutMs, () => this.expire(member.id));
      return;
    }
    const free = member.target.filter((each) => !has(member.assigned, each) && !this.#holders.has(keyOf(each)));
    if (free.length > 0 || member.epoch !== this.#epoch) {
      this.#event(`${member.id} is at epoch ${this.#epoch} and gets ${namesOf(free)}`);
    }
    member.epoch = this.#epoch;
    member.assigned = [...member.assigned, ...free];
    for (const each of free) this.#holders.set(keyOf(each), member);
  }

  #release(member: Member, partitions: readonly TopicPartition[]): void {
    for (const each of partitions) if (this.#holders.get(keyOf(each)) === member) this.#holders.delete(keyOf(each));
  }

  #watch(member: Member): void {
    member.session?.cancel();
    member.session = this.#simulation.schedule(this.#sessionMs, () => {
      // A broker that was away has missed all heartbeats, and starts all sessions again.
      if (this.#simulation.outageLeftMs(this.#simulation.coordinatorOf(this.#id)) > 0) this.#watch(member);
      else this.expire(member.id);
    });
  }

  #event(what: string): void {
    this.#simulation.event(`group ${this.#id}: ${what}`);
  }
}

const has = (partitions: readonly TopicPartition[], { topic, partition }: TopicPartition): boolean =>
  partitions.some((each) => each.topic === topic && each.partition === partition);

const rankOf = ({ id, request }: Member): string => request.instanceId ?? id;
