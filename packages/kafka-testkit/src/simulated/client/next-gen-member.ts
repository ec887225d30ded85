import type { TopicPartition } from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { Assign } from "../broker/assignors.js";
import { type HeartbeatAnswer, JOIN_EPOCH, LEAVE_EPOCH, PAUSE_EPOCH } from "../broker/next-gen-group.js";
import type { Group, MemberIdentity } from "../broker/group.js";
import type { Member, MemberOptions } from "./member.js";
import { OwnedPartitions } from "./owned-partitions.js";
import { CODE } from "../simulation.js";
import { keyOf, namesOf } from "../broker/topics.js";

/**
 * A consumer's side of a group of the newer protocol. Heartbeats go by themselves, one at a time; what their answers ask for
 * is served by polls, and once it is done the next heartbeat says so at once.
 *
 *     out ──heartbeat of epoch 0──► member ──answer: give up, then take──► heartbeat says so ──► member
 *      ▲                              │
 *      └──── all lost, unknown ◄──────┘ or fenced
 */
export class NextGenMember implements Member {
  readonly #options: MemberOptions;
  readonly #group: Group;
  readonly #assign: Assign;
  readonly #owned: OwnedPartitions;
  readonly #memberId: string;
  #epoch = JOIN_EPOCH;
  /** What the last answer gives it. */
  #assignment: readonly TopicPartition[] = [];
  /** What a poll has to serve next. */
  #notice: "reconcile" | "lost" | undefined;
  #serving: Promise<void> | undefined;
  #acknowledges = true;
  #inFlight = false;
  #timer: Cancellable | undefined;
  #state: "out" | "member" | "lost" | "ended" = "out";
  /** The coordinator knows of it. */
  #admitted = false;
  /** Counts the times it was lost: answers from before are ignored. */
  #losses = 0;

  constructor(options: MemberOptions, group: Group, assign: Assign) {
    this.#options = options;
    this.#group = group;
    this.#assign = assign;
    this.#owned = new OwnedPartitions(options);
    this.#memberId = options.simulation.name(options.instanceId ?? options.clientId);
  }

  get current(): MemberIdentity | undefined {
    return this.#state === "member" ? { memberId: this.#memberId, generation: this.#epoch, joining: false } : undefined;
  }

  get busy(): boolean {
    return this.#serving !== undefined;
  }

  get revoking(): boolean {
    return this.#owned.revoking;
  }

  join(): void {
    this.#beatSoon();
  }

  serve(): void {
    if (this.#serving || this.#state === "ended" || !this.#notice) return;
    const notice = this.#notice;
    this.#notice = undefined;
    this.#serving = (notice === "lost" ? this.#lose() : this.#reconcile()).finally(() => {
      this.#serving = undefined;
      this.#options.wake();
    });
  }

  /** The coordinator itself knows the topics. */
  refresh(): void {}

  kill(): void {
    this.#state = "ended";
    this.#owned.kill();
    this.#timer?.cancel();
  }

  expire(): void {
    this.#group.modern.expire(this.#memberId);
  }

  quit(): void {
    if (this.#state !== "member") return;
    this.#group.modern.heartbeat(this.#heartbeat(LEAVE_EPOCH, undefined));
    this.#onLost();
  }

  async leave(): Promise<void> {
    await this.#serving;
    if (this.#owned.all.length > 0) {
      await (this.#state === "member" ? this.#owned.revoke(this.#owned.all) : this.#owned.lose());
    }
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#timer?.cancel();
    if (!this.#admitted) return;
    const { simulation, instanceId } = this.#options;
    const last = this.#heartbeat(instanceId === undefined ? LEAVE_EPOCH : PAUSE_EPOCH, undefined);
    await new Promise<void>((resolve) => {
      const arrive = (): void => {
        this.#group.modern.heartbeat(last);
        resolve();
      };
      simulation.request(simulation.faults.latencyMs, arrive, this.#group.broker);
    });
  }

  #beatSoon(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#inFlight || this.#state === "lost" || this.#state === "ended") return;
    const { simulation } = this.#options;
    this.#inFlight = true;
    const [epoch, losses] = [this.#epoch, this.#losses];
    const owned = this.#acknowledges ? this.#owned.all : undefined;
    this.#acknowledges = false;
    const arrive = (): void => {
      if (this.#state === "ended") return;
      const answer = this.#group.modern.heartbeat(this.#heartbeat(epoch, owned));
      this.#admitted ||= answer.error === undefined;
      const back = (): void => {
        this.#inFlight = false;
        if (losses !== this.#losses) this.#beatSoon();
        else if (this.#state !== "ended") this.#onAnswer(answer);
      };
      simulation.request(simulation.faults.latencyMs, back, this.#group.broker);
    };
    simulation.request(simulation.faults.latencyMs, arrive, this.#group.broker);
  }

  #onAnswer(answer: HeartbeatAnswer): void {
    if (answer.error === CODE.unreleasedInstance) return this.#fail();
    if (answer.error !== undefined) return this.#onLost();
    this.#state = "member";
    this.#epoch = answer.epoch;
    if (namesOf(answer.assignment) !== namesOf(this.#assignment)) {
      this.#assignment = answer.assignment;
      this.#notice = "reconcile";
      this.#options.wake();
    }
    if (this.#acknowledges) this.#beatSoon();
    else {
      const { heartbeatIntervalMs } = this.#group.modern;
      this.#timer = this.#options.simulation.schedule(heartbeatIntervalMs, () => this.#beatSoon());
    }
  }

  /** Gives up first, and says so before it takes: others wait for it. */
  async #reconcile(): Promise<void> {
    const assignment = this.#assignment;
    const given = new Set(assignment.map(keyOf));
    const had = new Set(this.#owned.all.map(keyOf));
    const gone = this.#owned.all.filter((each) => !given.has(keyOf(each)));
    if (gone.length > 0) await this.#owned.revoke(gone);
    // What it was given may have been taken back while its handlers were at work.
    if (this.#state !== "member" || this.#assignment !== assignment) return;
    const added = assignment.filter((each) => !had.has(keyOf(each)));
    // After a revocation the assignment is reported even if nothing was added.
    if (added.length > 0 || gone.length > 0) await this.#owned.assign(added);
    if (this.#state !== "member" || this.#assignment !== assignment) return;
    this.#acknowledges = true;
    this.#beatSoon();
  }

  #onLost(): void {
    this.#options.simulation.event(`${this.#options.clientId}: out of group ${this.#group.id}`);
    this.#state = "lost";
    this.#admitted = false;
    this.#losses += 1;
    this.#timer?.cancel();
    this.#notice = "lost";
    this.#options.wake();
  }

  async #lose(): Promise<void> {
    if (this.#owned.all.length > 0) await this.#owned.lose();
    if (this.#state !== "lost") return;
    this.#state = "out";
    this.#epoch = JOIN_EPOCH;
    this.#assignment = [];
    this.#acknowledges = true;
    this.#beatSoon();
  }

  #fail(): void {
    this.#state = "lost";
    this.#options.fail(
      this.#options.simulation.error(
        "POLL_FAILED",
        `Another consumer has group.instance.id ${this.#options.instanceId}. Give every consumer an id of its own, or wait for the session of the last one to end.`,
        CODE.unreleasedInstance,
      ),
    );
  }

  #heartbeat(epoch: number, owned: readonly TopicPartition[] | undefined) {
    const { instanceId, reads, maxPollIntervalMs } = this.#options;
    const [memberId, assign] = [this.#memberId, this.#assign];
    return { memberId, instanceId, epoch, assign, reads, rebalanceTimeoutMs: maxPollIntervalMs, owned };
  }
}
