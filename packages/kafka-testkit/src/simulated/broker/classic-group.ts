import type { TopicPartition } from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import { type Assignor, electedAssignor } from "./assignors.js";
import { CODE, type Simulation } from "../simulation.js";
import { namesOf, type Topics } from "./topics.js";

/** How the coordinator reaches a member; what it says arrives at once, and the member serves it when it polls. */
export interface MemberChannel {
  /** Answered to the first join at once: a member that waits for the others knows who it is, and can leave. */
  onNamed(memberId: string): void;
  /** Answered to a join: the member is part of this generation. */
  onJoined(memberId: string, generation: number): void;
  /** The generation ends: give up what has to be given up, and join again. */
  onRebalance(generation: number): void;
  onAssigned(generation: number, partitions: readonly TopicPartition[]): void;
  /** The group goes on without this member. */
  onLost(): void;
  /** Another member came with the same instance id. */
  onFenced(): void;
  /** Answered to a join: it shares no assignor with the members. */
  onRefused(): void;
}

export interface JoinRequest {
  readonly memberId: string | undefined;
  readonly instanceId: string | undefined;
  readonly clientId: string;
  readonly assignors: readonly Assignor[];
  /** Of all topics there are, those the member reads. */
  readonly reads: (topic: string) => boolean;
  readonly owned: readonly TopicPartition[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly channel: MemberChannel;
  /** The process is gone and sends no heartbeats. */
  readonly silent: () => boolean;
}

interface Member {
  readonly id: string;
  /** What it read when it joined. */
  topics: readonly string[];
  request: JoinRequest;
  joined: boolean;
  assigned: readonly TopicPartition[];
  session: Cancellable | undefined;
}

/**
 * The members of one group at the broker, by the classic protocol: who is in it, which generation, and who has what.
 *
 *     empty ──join──► preparing ──all have joined──► completing ──assignment sent──► stable
 *                         ▲                              │                             │
 *                         └──── join, leave, session timed out, topics changed ◄───────┘
 */
export class ClassicGroup {
  readonly id: string;
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #broker: number;
  readonly #members = new Map<string, Member>();
  /** Commits of members whose join is not answered yet. */
  readonly #deferred: (() => void)[] = [];
  #state: "empty" | "preparing" | "completing" | "stable" = "empty";
  #generation = 0;
  #joins = 0;
  /** The topics and their sizes at the last assignment. */
  #seen = "";
  /** Ends a wait for members that do not join, or sends the assignment. */
  #timer: Cancellable | undefined;

  constructor(id: string, simulation: Simulation, topics: Topics) {
    this.id = id;
    this.#simulation = simulation;
    this.#topics = topics;
    this.#broker = simulation.coordinatorOf(id);
  }

  get generation(): number {
    return this.#generation;
  }

  join(request: JoinRequest): void {
    const others = [...this.#members.values()].filter(({ id }) => id !== request.memberId);
    if (!electedAssignor([request.assignors, ...others.map((each) => each.request.assignors)])) {
      return request.channel.onRefused();
    }
    const member = this.#memberOf(request);
    if (member === "unknown") return request.channel.onLost();
    if (member === "resumed") return;
    member.request = request;
    member.topics = this.#topicsOf(request);
    member.joined = true;
    member.session?.cancel();
    member.session = undefined;
    if (request.silent()) this.silence(member.id);
    if (this.#state !== "preparing") this.#prepare();
    this.#completeIfAllJoined();
  }

  leave(memberId: string): void {
    if (!this.#members.has(memberId)) return;
    this.#event(`${memberId} leaves`);
    this.#remove(memberId);
  }

  /** The member sends no more heartbeats: its session runs out. */
  silence(memberId: string): void {
    const member = this.#members.get(memberId);
    if (!member || member.session) return;
    const wait = (): void => {
      member.session = this.#simulation.schedule(member.request.sessionTimeoutMs, () => {
        // A broker that was away has missed all heartbeats, and starts all sessions again.
        if (this.#simulation.outageLeftMs(this.#broker) > 0) wait();
        else this.expire(memberId);
      });
    };
    wait();
  }

  /** The session of the member is over, whether or not the member lives. */
  expire(memberId: string): void {
    const member = this.#members.get(memberId);
    if (!member) return;
    this.#event(`${memberId} timed out`);
    this.#remove(memberId);
    member.request.channel.onLost();
  }

  /** Whether there is a topic for a subscription. */
  hasTopic(reads: (topic: string) => boolean): boolean {
    return this.#topics.names.some((topic) => reads(topic));
  }

  /**
   * A member has looked at the topics. Each joins again where others match what it reads; only the leader, who
   * assigned, knows that partitions were added.
   */
  refresh(memberId: string): void {
    const member = this.#members.get(memberId);
    if (this.#state !== "stable" || !member) return;
    const [leader] = this.#members.values();
    const others = this.#topicsOf(member.request).join() !== member.topics.join();
    if (others || (leader === member && this.#layout() !== this.#seen)) this.#prepare();
  }

  /** Where the member has asked to join, keeps `retry` for the next generation; answers whether it does. */
  defers(
    member: { readonly memberId: string; readonly generation: number; readonly joining: boolean },
    retry: () => void,
  ): boolean {
    const waits = member.joining && member.generation === this.#generation && this.#members.has(member.memberId);
    if (waits) this.#deferred.push(retry);
    return waits;
  }

  refusal({ memberId, generation }: { readonly memberId: string; readonly generation: number }): number | undefined {
    if (!this.#members.has(memberId)) return CODE.unknownMember;
    if (generation !== this.#generation) return CODE.illegalGeneration;
    return this.#state === "completing" ? CODE.rebalanceInProgress : undefined;
  }

  /** How many members it has. */
  get size(): number {
    return this.#members.size;
  }

  /** What each member has been assigned, by member id. */
  get assignments(): ReadonlyMap<string, readonly TopicPartition[]> {
    return new Map([...this.#members].map(([id, { assigned }]) => [id, assigned]));
  }

  #memberOf(request: JoinRequest): Member | "unknown" | "resumed" {
    const { memberId, instanceId, clientId } = request;
    if (memberId !== undefined) return this.#members.get(memberId) ?? "unknown";
    this.#joins += 1;
    const id = `${instanceId ?? clientId}-${this.#joins}`;
    const topics = this.#topicsOf(request);
    const old =
      instanceId === undefined
        ? undefined
        : [...this.#members.values()].find((each) => each.request.instanceId === instanceId);
    const member: Member = { id, topics, request, joined: false, assigned: old?.assigned ?? [], session: undefined };
    if (old) this.#replace(old, member);
    this.#members.set(id, member);
    this.#event(`${id} joins`);
    request.channel.onNamed(id);
    // A static member that comes back to a stable group is given what it had, and no other member is disturbed.
    if (!old || this.#state !== "stable") return member;
    if (request.silent()) this.silence(id);
    request.channel.onJoined(id, this.#generation);
    request.channel.onAssigned(this.#generation, member.assigned);
    return "resumed";
  }

  #replace(old: Member, by: Member): void {
    this.#event(`${by.id} replaces ${old.id}`);
    old.session?.cancel();
    this.#members.delete(old.id);
    old.request.channel.onFenced();
  }

  #remove(memberId: string): void {
    this.#members.get(memberId)?.session?.cancel();
    this.#members.delete(memberId);
    if (this.#state !== "preparing") this.#prepare();
    this.#completeIfAllJoined();
    this.#retryDeferred();
  }

  #retryDeferred(): void {
    for (const retry of this.#deferred.splice(0)) retry();
  }

  #prepare(): void {
    this.#state = "preparing";
    this.#timer?.cancel();
    this.#event(`rebalances, generation ${this.#generation} ends`);
    const ending = this.#generation;
    const members = [...this.#members.values()];
    for (const member of members) {
      if (member.joined) continue;
      const notify = (): void => {
        if (this.#members.get(member.id) === member) member.request.channel.onRebalance(ending);
      };
      this.#simulation.request(this.#simulation.faults.noticeMs, notify, this.#broker);
    }
    const longest = Math.max(0, ...members.map(({ request }) => request.rebalanceTimeoutMs));
    this.#timer = this.#simulation.schedule(longest, () => this.#evictAbsent());
  }

  #evictAbsent(): void {
    for (const member of [...this.#members.values()]) if (!member.joined) this.expire(member.id);
  }

  #completeIfAllJoined(): void {
    const members = [...this.#members.values()];
    if (this.#state !== "preparing" || !members.every(({ joined }) => joined)) return;
    this.#timer?.cancel();
    this.#generation += 1;
    if (members.length === 0) {
      this.#state = "empty";
      this.#retryDeferred();
      this.#event(`is empty, generation ${this.#generation}`);
      return;
    }
    this.#state = "completing";
    for (const member of members) {
      member.joined = false;
      member.request.channel.onJoined(member.id, this.#generation);
    }
    this.#retryDeferred();
    this.#timer = this.#simulation.schedule(this.#simulation.draw(this.#simulation.faults.latencyMs), () =>
      this.#sendAssignment(),
    );
  }

  #sendAssignment(): void {
    this.#state = "stable";
    this.#seen = this.#layout();
    const members = [...this.#members.values()].sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));
    const assignor = electedAssignor(members.map(({ request }) => request.assignors));
    if (!assignor) return;
    const assigned = assignor.assign(
      members.map((member) => ({
        rank: rankOf(member),
        topics: member.topics,
        owned: member.request.owned,
      })),
      (topic) => Array.from({ length: this.#topics.partitionsOf(topic) }, (_, partition) => ({ topic, partition })),
    );
    members.forEach((member, index) => {
      member.assigned = assigned[index] ?? [];
      this.#event(`generation ${this.#generation} gives ${member.id} ${namesOf(member.assigned)}`);
    });
    for (const member of members) member.request.channel.onAssigned(this.#generation, member.assigned);
  }

  #topicsOf({ reads }: JoinRequest): readonly string[] {
    return this.#topics.names.filter((topic) => reads(topic));
  }

  #layout(): string {
    const topics = new Set([...this.#members.values()].flatMap((member) => member.topics));
    return [...topics].map((topic) => `${topic}/${this.#topics.partitionsOf(topic)}`).join();
  }

  #event(what: string): void {
    this.#simulation.event(`group ${this.id}: ${what}`);
  }
}

const rankOf = ({ id, request }: Member): string => request.instanceId ?? id;
