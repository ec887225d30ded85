import type { TopicPartition } from "@millrace/kafka";
import type { Assignor } from "../broker/assignors.js";
import type { Group, MemberIdentity } from "../broker/group.js";
import type { MemberChannel } from "../broker/classic-group.js";
import type { Member, MemberOptions } from "./member.js";
import { OwnedPartitions } from "./owned-partitions.js";
import { CODE } from "../simulation.js";
import { keyOf } from "../broker/topics.js";

/** How long a member that was refused waits before it asks again. */
const JOIN_AGAIN_MS = 1000;

/** What the coordinator said, to be served inside a poll. */
type Notice =
  | { readonly kind: "rebalance"; readonly generation: number }
  | { readonly kind: "assigned"; readonly generation: number; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "lost" };

/**
 * A consumer's side of a group of the classic protocol. What the coordinator says waits until a poll serves it, one
 * notice at a time: the next is begun by a poll too, once the listener's handler of the last has ended.
 *
 *     out ──join──► joining ──joined──► member ──rebalance: revoke (eager), join──► joining
 *      ▲                                   │
 *      └────────── lost, joins again ◄─────┘
 */
export class ClassicMember implements Member, MemberChannel {
  readonly #options: MemberOptions;
  readonly #group: Group;
  readonly #assignors: readonly Assignor[];
  readonly #owned: OwnedPartitions;
  readonly #notices: Notice[] = [];
  #state: "out" | "joining" | "member" = "out";
  #memberId: string | undefined;
  #member: { readonly memberId: string; readonly generation: number } | undefined;
  #serving: Promise<void> | undefined;
  /** It has got an assignment since it joined from outside, maybe an empty one. */
  #assigned = false;
  /** Counts joins, so that one under way when the member was lost does not join it a second time. */
  #attempt = 0;
  /** There is no topic it reads, so it does not join. */
  #waiting = false;
  #dead = false;
  #left = false;
  /** Another came in its place. */
  #fenced = false;

  constructor(options: MemberOptions, group: Group, assignors: readonly Assignor[]) {
    this.#options = options;
    this.#group = group;
    this.#assignors = assignors;
    this.#owned = new OwnedPartitions(options);
  }

  get current(): MemberIdentity | undefined {
    return this.#member && { ...this.#member, joining: this.#state === "joining" };
  }

  get busy(): boolean {
    return this.#serving !== undefined;
  }

  get revoking(): boolean {
    return this.#owned.revoking;
  }

  get #cooperative(): boolean {
    return this.#assignors[0]?.cooperative === true;
  }

  join(): void {
    if (this.#left || this.#dead) return;
    this.#waiting = !this.#group.classic.hasTopic(this.#options.reads);
    if (this.#waiting) return;
    this.#state = "joining";
    const { simulation, maxPollIntervalMs, clientId, instanceId, reads, sessionTimeoutMs } = this.#options;
    const assignors = this.#assignors;
    const memberId = this.#memberId;
    const owned = this.#cooperative ? this.#owned.all : [];
    const attempt = ++this.#attempt;
    const arrive = (): void => {
      if (this.#left || attempt !== this.#attempt) return;
      this.#group.classic.join({
        memberId,
        instanceId,
        clientId,
        assignors,
        reads,
        owned,
        sessionTimeoutMs,
        rebalanceTimeoutMs: maxPollIntervalMs,
        channel: this,
        silent: () => this.#dead,
      });
    };
    simulation.request(simulation.faults.latencyMs, arrive, this.#group.broker);
  }

  serve(): void {
    if (this.#serving || this.#dead) return;
    const notice = this.#notices.shift();
    if (!notice) return;
    this.#serving = this.#serve(notice).finally(() => {
      this.#serving = undefined;
      this.#options.wake();
    });
  }

  refresh(): void {
    if (this.#waiting) return this.join();
    if (this.#memberId !== undefined && !this.#dead) this.#group.classic.refresh(this.#memberId);
  }

  kill(): void {
    this.#dead = true;
    this.#owned.kill();
    if (this.#memberId !== undefined) this.#group.classic.silence(this.#memberId);
  }

  expire(): void {
    if (this.#memberId !== undefined) this.#group.classic.expire(this.#memberId);
  }

  fence(): void {
    if (this.#memberId === undefined) return;
    this.#group.classic.silence(this.#memberId);
    this.onFenced();
  }

  quit(): void {
    if (this.#memberId === undefined) return;
    const memberId = this.#memberId;
    this.onLost();
    if (this.#options.instanceId === undefined) return this.#group.classic.leave(memberId);
    // A static member keeps its place until its session ends, and comes back as the same.
    this.#memberId = memberId;
    this.#group.classic.silence(memberId);
  }

  async leave(): Promise<void> {
    await this.#serving;
    await this.#giveUpAll(this.#fenced || this.#state === "out");
    this.#left = true;
    if (this.#memberId === undefined) return;
    if (this.#options.instanceId === undefined) this.#group.classic.leave(this.#memberId);
    else this.#group.classic.silence(this.#memberId);
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

  onRefused(): void {
    const { simulation, fail } = this.#options;
    fail(
      simulation.error(
        "POLL_FAILED",
        "The members of the group have other values of partition.assignment.strategy. Give all the same.",
        CODE.inconsistentProtocol,
      ),
    );
    const attempt = this.#attempt;
    simulation.schedule(JOIN_AGAIN_MS, () => {
      if (attempt === this.#attempt) this.join();
    });
  }

  onFenced(): void {
    this.#state = "out";
    this.#memberId = undefined;
    this.#member = undefined;
    this.#left = true;
    this.#fenced = true;
    this.#options.fail(
      this.#options.simulation.error(
        "POLL_FAILED",
        `Another consumer came with group.instance.id ${this.#options.instanceId}: this one is fenced. Give every consumer an id of its own.`,
        CODE.fencedInstance,
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
      await this.#giveUpAll(true);
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
    if (!this.#cooperative) await this.#giveUpAll(false);
    if (this.#isCurrent(generation)) this.join();
  }

  async #reassign(generation: number, partitions: readonly TopicPartition[]): Promise<void> {
    const given = new Set(partitions.map(keyOf));
    const gone = this.#owned.all.filter((each) => !given.has(keyOf(each)));
    const had = new Set(this.#owned.all.map(keyOf));
    const added = partitions.filter((each) => !had.has(keyOf(each)));
    if (gone.length > 0) await this.#owned.revoke(gone);
    if (this.#isCurrent(generation)) {
      this.#assigned = true;
      // Even when empty: the listener is called for each assignment.
      await this.#owned.assign(added);
    }
    // What it gave up is free for others only once it has joined without it.
    if (gone.length > 0 && this.#isCurrent(generation)) this.join();
  }

  /** An eager member's listener is called even if it has nothing. */
  async #giveUpAll(lost: boolean): Promise<void> {
    const notifies = this.#owned.all.length > 0 || (this.#assigned && !this.#cooperative);
    this.#assigned = false;
    if (notifies) await (lost ? this.#owned.lose() : this.#owned.revoke(this.#owned.all));
  }
}
