import { KafkaConnectorError } from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import type { TopicPartitionOffset } from "../../../src/client/port.js";
import type { ParsedCommitter } from "../../../src/settings/committer-settings.js";
import { CommitSchedule } from "../../../src/consumer/committing/commit-schedule.js";
import { FlowControl } from "../../../src/consumer/reading/flow-control.js";
import { OffsetCommitter } from "../../../src/consumer/committing/offset-committer.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { AuditTrail } from "../../../src/ledger/auditor.js";

/** How long a commit that is due waits for one under way, once that is answered. */
const NEXT_COMMIT_MS = 5;
const PARTITIONS = 2;

interface Drawn {
  readonly maxBatch: number;
  readonly maxIntervalMs: number;
  readonly delivery: ParsedCommitter["delivery"];
  readonly refreshIntervalMs: number | undefined;
  readonly records: number | undefined;
  readonly ms: number | undefined;
}

const sometimes = (min: number, max: number): fc.Arbitrary<number | undefined> =>
  fc.option(fc.integer({ min, max }), { nil: undefined, freq: 2 });

const settings: fc.Arbitrary<Drawn> = fc.record({
  maxBatch: fc.integer({ min: 1, max: 8 }),
  maxIntervalMs: fc.integer({ min: 1, max: 60 }),
  delivery: fc.constantFrom("waitForAck", "sendAndForget"),
  refreshIntervalMs: sometimes(20, 60),
  records: sometimes(1, 20),
  ms: sometimes(2, 60),
});

const silent: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Microtasks only: a run of many steps must not wait for timers. */
const rest = async (): Promise<void> => {
  for (let tick = 0; tick < 12; tick++) await Promise.resolve();
};

interface Request {
  readonly positions: readonly TopicPartitionOffset[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const refused = new KafkaConnectorError("COMMIT_FAILED", "refused");

/** A session as the schedule sees it, and what must hold at rest, at every moment. */
class World {
  readonly #drawn: Drawn;
  readonly #clock: VirtualClock = virtualClock();
  readonly #partitions: readonly OwnedPartition[];
  readonly #open: { readonly sequence: number; readonly offset: number }[][] = [];
  readonly #next: number[] = [];
  readonly #flow: FlowControl;
  readonly #committer: OffsetCommitter;
  readonly #schedule: CommitSchedule;
  /** Of commits that the schedule asked for, and those of which it told. */
  readonly #rejections: unknown[] = [];
  readonly #failures: unknown[] = [];
  #request: Request | undefined;
  requests = 0;
  /** Of each partition: since when something waits to be committed that no request has, and the position up to which one has. */
  readonly #waitingSince: (number | undefined)[] = [];
  readonly #sent: number[] = [];
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Since the last request: when something ended first, and whether there was any reason for another. */
  #endedAt: number | undefined;
  #hurried = false;
  /** It was told of more than it may let wait. */
  #mustCommit = false;

  constructor(drawn: Drawn) {
    this.#drawn = drawn;
    const listener = { onEnded: (owned: OwnedPartition) => this.#schedule.ended(owned), onRoom: () => undefined };
    this.#partitions = Array.from({ length: PARTITIONS }, (_, partition) => {
      const owned = new OwnedPartition({ topic: "t", partition }, 1, new AuditTrail("t", partition, 1), listener);
      owned.commits();
      this.#open.push([]);
      this.#next.push(0);
      this.#waitingSince.push(undefined);
      this.#sent.push(0);
      return owned;
    });
    const { records, ms } = drawn;
    const all = Number.POSITIVE_INFINITY;
    this.#flow = new FlowControl(
      {
        partitioned: false,
        withContext: true,
        maxPollRecords: all,
        maxBufferedRecords: all,
        maxBufferedBytes: all,
        maxInFlight: all,
        maxInFlightTotal: all,
        maxInFlightBytes: undefined,
        maxReplay: { records, ms },
      },
      { pause: () => undefined, resume: () => undefined },
      () => this.#partitions,
    );
    this.#committer = new OffsetCommitter({
      clock: this.#clock,
      commitTimeoutMs: 1e9,
      partitions: () => this.#partitions,
      auditor: { check: () => undefined, committed: () => undefined },
      client: { commit: (positions) => this.#send(positions) },
    });
    const committer = this.#committer;
    const partitions = () => this.#partitions;
    this.#schedule = new CommitSchedule({
      clock: this.#clock,
      logger: silent,
      flow: this.#flow,
      maxReplay: { records, ms },
      assignment: {
        get hasNews() {
          return partitions().some(({ hasNews }) => hasNews);
        },
      },
      commits: {
        get busy() {
          return committer.busy;
        },
        now: () => {
          const committed = this.#commit();
          committed.catch((error: unknown) => this.#rejections.push(error));
          return committed;
        },
        refresh: () => this.#commit(true),
      },
      life: { fail: (error) => this.#failures.push(error) },
    });
    const { maxBatch, maxIntervalMs, delivery, refreshIntervalMs } = drawn;
    this.#schedule.begin({ maxBatch, maxIntervalMs, delivery, parallelism: 1, refreshIntervalMs });
  }

  #commit(again = false): Promise<void> {
    this.#schedule.committing();
    const committed = this.#committer.commit(again ? [] : undefined);
    committed.catch(() => this.#schedule.commitFailed());
    return committed;
  }

  #committable(partition: number): number {
    return this.#open[partition]![0]?.offset ?? this.#next[partition]!;
  }

  #uncommitted(partition: number): number {
    return this.#committable(partition) - (this.#partitions[partition]!.committed ?? 0);
  }

  #send(positions: readonly TopicPartitionOffset[]): Promise<void> {
    expect(this.#request, "one request at a time").to.equal(undefined);
    const now = this.#clock.now();
    const isWanted =
      this.#drawn.refreshIntervalMs !== undefined ||
      this.#hurried ||
      this.#flow.isShort(now) ||
      now - (this.#endedAt ?? now) >= this.#drawn.maxIntervalMs;
    expect(isWanted, "a commit without a reason").to.equal(true);
    this.#hurried = this.#mustCommit = false;
    this.#endedAt = undefined;
    this.requests += 1;
    for (const { partition, offset } of positions) {
      expect(offset, "all that is finished, and no more (I1)").to.equal(this.#committable(partition));
      this.#sent[partition] = offset;
    }
    this.#noteWaiting();
    return new Promise((resolve, reject) => {
      this.#request = { positions, resolve, reject };
    });
  }

  #noteWaiting(): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (this.#committable(partition) === this.#sent[partition]) this.#waitingSince[partition] = undefined;
      else this.#waitingSince[partition] ??= this.#clock.now();
    }
  }

  /** What is in a request without an answer counts as well. */
  #isFull(partition: number): boolean {
    return this.#uncommitted(partition) >= this.#drawn.maxBatch;
  }

  get #isShort(): boolean {
    return this.#flow.isShort(this.#clock.now());
  }

  #noteReason(): void {
    if (this.#isShort || this.#partitions.some((_, partition) => this.#isFull(partition))) this.#hurried = true;
  }

  /** The schedule was just told of a delivery or an end. */
  #told(isFull: boolean): void {
    this.#noteReason();
    if (this.#waitingSince.some((since) => since !== undefined)) this.#mustCommit ||= isFull || this.#isShort;
  }

  deliver(partition: number, records: number): void {
    const now = this.#clock.now();
    const room = this.#flow.deliveryRoom(now, records).records;
    const owned = this.#partitions[partition]!;
    for (let count = 0; count < room; count++) {
      const offset = this.#next[partition]!++;
      this.#open[partition]!.push({ sequence: owned.open(offset, now), offset });
    }
    this.#schedule.delivered(now);
    this.#told(false);
    expect(this.#replays).to.be.at.most(this.#drawn.records ?? Number.POSITIVE_INFINITY);
  }

  get #replays(): number {
    return this.#partitions.reduce((sum, { ledger }) => sum + ledger.replays, 0);
  }

  end(partition: number, which: number): void {
    const open = this.#open[partition]!;
    const [ended] = open.splice(which % Math.max(1, open.length), 1);
    if (!ended) return;
    this.#noteWaiting();
    this.#endedAt ??= this.#clock.now();
    this.#partitions[partition]!.end(ended.sequence, ended.offset, "processed");
    this.#told(this.#isFull(partition));
  }

  hurry(): void {
    this.#hurried = true;
    this.#schedule.hurry();
  }

  answer(isOk: boolean): void {
    const request = this.#request;
    if (!request) return;
    this.#request = undefined;
    this.#answeredAt = this.#clock.now();
    if (isOk) return request.resolve();
    this.#endedAt ??= this.#clock.now();
    for (const { partition } of request.positions) this.#sent[partition] = this.#partitions[partition]!.committed ?? 0;
    this.#noteWaiting();
    request.reject(refused);
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      await this.#clock.advance(1);
      this.#noteReason();
      await this.atRest();
    }
  }

  async atRest(): Promise<void> {
    await rest();
    if (this.#request || this.#committer.busy) return;
    const now = this.#clock.now();
    if (now <= this.#answeredAt + NEXT_COMMIT_MS) return;
    expect(this.#mustCommit, "waits with maxBatch, or with half of maxReplay").to.equal(false);
    const { maxIntervalMs, delivery } = this.#drawn;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const since = this.#waitingSince[partition];
      if (since === undefined) continue;
      expect(now - since, "waits longer than maxIntervalMs").to.be.at.most(maxIntervalMs);
    }
    const told = delivery === "waitForAck" ? this.#rejections : [];
    expect(this.#failures, "failures told").to.deep.equal(told);
    for (const error of this.#rejections) if (error !== refused) throw error;
  }

  /** Everything ends, and is committed without another word. */
  async finish(): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      while (this.#open[partition]!.length > 0) this.end(partition, this.#open[partition]!.length - 1);
    }
    for (let round = 0; round < 4; round++) {
      await rest();
      this.answer(true);
      await this.pass(this.#drawn.maxIntervalMs + NEXT_COMMIT_MS + 1);
    }
    this.deliver(0, 1);
    this.end(0, 0);
    this.#schedule.close();
    this.#hurried = true;
    if (this.#partitions.some(({ hasNews }) => hasNews)) void this.#commit();
    await rest();
    while (this.#committer.busy) {
      this.answer(true);
      await rest();
    }
    const committed = this.#partitions.map((owned) => owned.committed ?? 0);
    expect(committed, "committed in the end").to.deep.equal(this.#next);
    expect(this.#clock.pending, "timers left").to.equal(0);
  }
}

type Act = (world: World, which: number) => void | Promise<void>;

const acts: Readonly<Record<string, readonly [weight: number, act: Act]>> = {
  delivers: [5, (world, which) => world.deliver(which % PARTITIONS, 1 + (which % 9))],
  ends: [8, (world, which) => world.end(which % PARTITIONS, which)],
  endsOldest: [8, (world, which) => world.end(which % PARTITIONS, 0)],
  passes: [6, (world, which) => world.pass(which % 25)],
  answers: [6, (world) => world.answer(true)],
  refuses: [1, (world) => world.answer(false)],
  hurries: [1, (world) => world.hurry()],
};

const history = fc.array(
  fc.tuple(
    fc.constantFrom(...Object.entries(acts).flatMap(([name, [weight]]) => new Array<string>(weight).fill(name))),
    fc.nat(50),
  ),
  { maxLength: 60, size: "max" },
);

describe("the schedule of commits, whatever ends, is answered and refused at whatever time", () => {
  it("commits by number, by interval and by what may be repeated, not without a reason, and everything in the end", () =>
    fc.assert(
      fc.asyncProperty(settings, history, async (drawn, all) => {
        const world = new World(drawn);
        for (const [name, which] of all) {
          await acts[name]?.[1](world, which);
          await world.atRest();
        }
        await world.finish();
      }),
      { numRuns: 300 },
    )).timeout(60_000);
});
