import type { ConsumerListener, TopicPartition } from "@millrace/kafka";
import type { Assignor } from "./assignors.js";
import type { GroupCoordinator, MemberChannel, Membership } from "./group-coordinator.js";
import { CODE, type Simulation } from "./simulation.js";
import { keyOf, namesOf } from "./topics.js";

export interface MembershipOptions {
  readonly simulation: Simulation;
  readonly coordinator: GroupCoordinator;
  readonly clientId: string;
  readonly instanceId: string | undefined;
  readonly assignor: Assignor;
  readonly reads: (topic: string) => boolean;
  readonly sessionTimeoutMs: number;
  readonly maxPollIntervalMs: number;
  readonly listener: ConsumerListener;
  /** Reads the partitions from now on. */
  readonly take: (partitions: readonly TopicPartition[]) => void;
  readonly giveUp: (partitions: readonly TopicPartition[]) => void;
  /** There is something to serve, or it was served. */
  readonly wake: () => void;
  readonly fail: (error: Error) => void;
}

/** What the coordinator said, to be served inside a poll. */
type Notice =
  | { readonly kind: "rebalance"; readonly generation: number }
  | { readonly kind: "assigned"; readonly generation: number; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "lost" };

/**
 * A consumer's side of its group. What the coordinator says waits until a poll serves it, one notice after the other: the
 * next is begun by a poll too, once the listener's handler of the last has ended.
 *
 *     out ──join──► joining ──joined──► member ──rebalance: revoke (eager), join──► joining
 *      ▲                                   │
 *      └───────── lost: revoke, join ◄─────┘
 */
export class GroupMembership implements MemberChannel {
  readonly #options: MembershipOptions;
  readonly #notices: Notice[] = [];
  #state: "out" | "joining" | "member" = "out";
  #memberId: string | undefined;
  #member: { readonly memberId: string; readonly generation: number } | undefined;
  #owned: readonly TopicPartition[] = [];
  #serving: Promise<void> | undefined;
  /** It has been assigned something since it joined from outside, be it nothing. */
  #assigned = false;
  /** Counts joins, so that one under way when the member was lost does not join it a second time. */
  #attempt = 0;
  #dead = false;
  #left = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Under which it commits. */
  get current(): Membership | undefined {
    return this.#member && { ...this.#member, joining: this.#state === "joining" };
  }

  /** A handler of the listener is at work: meanwhile the client fetches nothing, of what it keeps neither. */
  get busy(): boolean {
    return this.#serving !== undefined;
  }

  join(): void {
    if (this.#left || this.#dead) return;
    this.#state = "joining";
    const { simulation, coordinator, assignor, maxPollIntervalMs, ...rest } = this.#options;
    const { clientId, instanceId, reads, sessionTimeoutMs } = rest;
    const memberId = this.#memberId;
    const owned = assignor.cooperative ? this.#owned : [];
    const attempt = ++this.#attempt;
    simulation.request(simulation.faults.latencyMs, () => {
      if (this.#left || attempt !== this.#attempt) return;
      coordinator.join({
        memberId,
        instanceId,
        clientId,
        assignor,
        reads,
        owned,
        sessionTimeoutMs,
        rebalanceTimeoutMs: maxPollIntervalMs,
        channel: this,
        silent: () => this.#dead,
      });
    });
  }

  /** Begins with what has been said, unless a handler is still at work; called by polls only. */
  serve(): void {
    if (this.#serving || this.#dead) return;
    const notice = this.#notices.shift();
    if (!notice) return;
    this.#serving = this.#serve(notice).finally(() => {
      this.#serving = undefined;
      this.#options.wake();
    });
  }

  /** The process is gone: it serves nothing more, and its session runs out. */
  kill(): void {
    this.#dead = true;
    if (this.#memberId !== undefined) this.#options.coordinator.silence(this.#memberId);
  }

  /** The network to the coordinator fails for longer than a session, while the process lives. */
  expire(): void {
    if (this.#memberId !== undefined) this.#options.coordinator.expire(this.#memberId);
  }

  /** The client noticed that it did not poll for too long, and leaves by itself. */
  quit(): void {
    if (this.#memberId === undefined) return;
    this.#options.coordinator.leave(this.#memberId);
    this.onLost();
  }

  /** Gives everything up. A static member does not tell the group, so that it may come back to what it had. */
  async leave(): Promise<void> {
    await this.#serving;
    await this.#revokeAll();
    this.#left = true;
    const { coordinator, instanceId } = this.#options;
    if (this.#memberId === undefined) return;
    if (instanceId === undefined) coordinator.leave(this.#memberId);
    else coordinator.silence(this.#memberId);
  }

  onNamed(memberId: string): void {
    this.#memberId = memberId;
  }

  onJoined(memberId: string, generation: number): void {
    if (this.#left) return;
    this.#state = "member";
    this.#member = { memberId, generation };
  }

  onRebalance(generation: number): void {
    this.#notify({ kind: "rebalance", generation });
  }

  onAssigned(generation: number, partitions: readonly TopicPartition[]): void {
    this.#notify({ kind: "assigned", generation, partitions });
  }

  onLost(): void {
    this.#attempt += 1;
    this.#state = "out";
    this.#memberId = undefined;
    this.#member = undefined;
    this.#notify({ kind: "lost" });
  }

  onFenced(): void {
    this.#state = "out";
    this.#memberId = undefined;
    this.#member = undefined;
    this.#left = true;
    this.#options.fail(
      this.#options.simulation.error(
        "POLL_FAILED",
        `Another consumer came with group.instance.id ${this.#options.instanceId}: this one is fenced. Give every consumer an id of its own.`,
        CODE.fatal,
      ),
    );
  }

  #notify(notice: Notice): void {
    if (this.#dead || this.#left) return;
    this.#notices.push(notice);
    this.#options.wake();
  }

  async #serve(notice: Notice): Promise<void> {
    if (notice.kind === "lost") {
      await this.#revokeAll(this.#options.listener.onLost ? "onLost" : "onRevoke");
      if (this.#state === "out") this.join();
    } else if (this.#isCurrent(notice.generation)) {
      if (notice.kind === "rebalance") await this.#rejoin(notice.generation);
      else await this.#reassign(notice.generation, notice.partitions);
    }
  }

  /** Whether a notice still concerns this member; a handler may have taken longer than its session. */
  #isCurrent(generation: number): boolean {
    return this.#state === "member" && this.#member?.generation === generation;
  }

  async #rejoin(generation: number): Promise<void> {
    if (!this.#options.assignor.cooperative) await this.#revokeAll();
    if (this.#isCurrent(generation)) this.join();
  }

  async #reassign(generation: number, partitions: readonly TopicPartition[]): Promise<void> {
    const given = new Set(partitions.map(keyOf));
    const gone = this.#owned.filter((each) => !given.has(keyOf(each)));
    const had = new Set(this.#owned.map(keyOf));
    const added = partitions.filter((each) => !had.has(keyOf(each)));
    if (gone.length > 0) await this.#revoke(gone);
    if (this.#isCurrent(generation)) await this.#assign(added);
    // What it gave up is free for others only once it has joined without it.
    if (gone.length > 0 && this.#isCurrent(generation)) this.join();
  }

  /** Also of nothing: the listener hears of each assignment. */
  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    this.#assigned = true;
    await this.#handled("onAssign", partitions);
    if (this.#dead) return;
    this.#owned = [...this.#owned, ...partitions];
    this.#options.take(partitions);
  }

  /** An eager member is told so even if it has nothing. */
  async #revokeAll(handler: "onRevoke" | "onLost" = "onRevoke"): Promise<void> {
    const told = this.#owned.length > 0 || (this.#assigned && !this.#options.assignor.cooperative);
    this.#assigned = false;
    if (told) await this.#revoke(this.#owned, handler);
  }

  async #revoke(partitions: readonly TopicPartition[], handler: "onRevoke" | "onLost" = "onRevoke"): Promise<void> {
    await this.#handled(handler, partitions);
    const gone = new Set(partitions.map(keyOf));
    this.#owned = this.#owned.filter((each) => !gone.has(keyOf(each)));
    this.#options.giveUp(partitions);
  }

  /** Calls the listener; what it throws changes nothing, as with the real client. */
  async #handled(handler: "onAssign" | "onRevoke" | "onLost", partitions: readonly TopicPartition[]): Promise<void> {
    const { simulation, listener, clientId } = this.#options;
    simulation.event(`${clientId}: ${handler} ${namesOf(partitions)}`);
    try {
      await listener[handler]?.(partitions.map(({ topic, partition }) => ({ topic, partition })));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      listener.onError(simulation.error("REBALANCE_FAILED", `The rebalance listener's ${handler} threw: ${reason}`));
    }
  }
}
