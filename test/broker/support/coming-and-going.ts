import { committableSource, committerSink, type Control, sourceWithOffsetContext, string } from "@millrace/kafka";
import type { DeliveryBook } from "./delivery-book.js";
import { partitionOf } from "./sequences.js";
import { WatchedDriver } from "./watched-driver.js";

export interface CrowdOptions {
  readonly brokers: string;
  readonly groupId: string;
  readonly topic: string;
  readonly strategy: string;
  readonly members: number;
  readonly revokeTimeoutMs: number;
  readonly book: DeliveryBook;
  readonly random: () => number;
}

type Leaving = "drains" | "fails" | "shuts down" | "loses its client";

/** Half of them leave as they should. */
const LEAVINGS: readonly Leaving[] = ["drains", "drains", "drains", "fails", "shuts down", "loses its client"];
const STAY_MS = [8000, 28_000] as const;
const AWAY_MS = [0, 4000] as const;
/** A failing member fails when it is given a record, and one without partitions is given none. */
const FAIL_WITHIN_MS = 2000;
const LEAVE_MS = 60_000;

interface Delivered {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

interface Member {
  readonly name: string;
  readonly control: Control;
  /** Settles with the stream. */
  readonly ended: Promise<unknown>;
  readonly watched: WatchedDriver;
  abruptly: boolean;
  failing: boolean;
}

interface Ending {
  isOver: boolean;
  readonly over: Promise<void>;
}

/** Members of one group that come and go at random, each with work on every record that takes its time. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #present = new Set<Member>();
  readonly leavings = new Map<Leaving, number>();
  readonly failures: string[] = [];
  #lives = 0;
  rebalances = 0;
  /** Records whose work takes longer than a revocation waits. */
  slow = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  /** Members come and go for so long; then all are there. */
  async run(durationMs: number): Promise<void> {
    const until: Ending = { isOver: false, over: sleep(durationMs).then(() => void (until.isOver = true)) };
    await Promise.all(Array.from({ length: this.#options.members }, (_, slot) => this.#slot(slot, until)));
  }

  /** All leave, in peace. */
  async drain(): Promise<void> {
    await Promise.all([...this.#present].map((member) => this.#leave(member, "drains")));
  }

  async #slot(slot: number, until: Ending): Promise<void> {
    await this.#rest(0, 1500, until);
    for (;;) {
      const member = this.#join(slot);
      await this.#rest(...STAY_MS, until);
      if (until.isOver) return;
      const leaving = LEAVINGS[Math.floor(this.#options.random() * LEAVINGS.length)] ?? "drains";
      await this.#leave(member, leaving);
      await this.#rest(...AWAY_MS, until);
    }
  }

  #join(slot: number): Member {
    const name = `member ${slot} in its life ${this.#lives++}`;
    const { book } = this.#options;
    const watched = new WatchedDriver({
      assigned: (partitions) => {
        this.rebalances += 1;
        book.assigned(name, partitions);
      },
      takenAway: (partitions) => book.takenAway(name, partitions),
      givenUp: (partitions, how, afterMs) => book.givenUp(name, partitions, how, afterMs, member.abruptly),
      committed: (positions) => book.committed(name, positions),
      refused: (partitions, error) => book.refused(name, partitions, error),
    });
    const deliver = (record: Delivered): (() => void) => {
      if (member.failing) throw new Error("told to fail");
      const { partition, offset, value } = record;
      const place = partitionOf(value);
      if (place.partition !== partition || place.sequence !== offset) {
        this.failures.push(`${name} was given ${value} as ${partition}@${offset}`);
      }
      return book.deliver(name, partition, offset);
    };
    const { control, ended } = this.#start(watched, deliver);
    const member: Member = { name, control, ended, watched, abruptly: false, failing: false };
    ended.catch((error: unknown) => {
      if (!member.abruptly) this.failures.push(`${name} failed by itself: ${String(error)}`);
      member.abruptly = true;
    });
    this.#present.add(member);
    return member;
  }

  /** By turns with offsets that are carried along, and with claims that follow. */
  #start(
    { driver }: WatchedDriver,
    deliver: (record: Delivered) => () => void,
  ): { readonly control: Control; readonly ended: Promise<unknown> } {
    const { brokers, groupId, topic, strategy, revokeTimeoutMs } = this.#options;
    const settings = {
      kafka: { brokers, groupId, driver },
      topics: [topic],
      value: string(),
      revokeTimeoutMs,
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 200,
      maxPollIntervalMs: 60_000,
      properties: { "partition.assignment.strategy": strategy },
    };
    const both = (control: Control, ended: Promise<unknown>): { control: Control; ended: Promise<unknown> } => ({
      control,
      ended,
    });
    const sink = committerSink({ maxBatch: 500, maxIntervalMs: 200 });
    if (this.#lives % 2 === 0) {
      return sourceWithOffsetContext(settings)
        .map(deliver)
        .mapAsyncUnordered(64, (done) => this.#takeTime().then(done))
        .toMat(sink, both)
        .run();
    }
    return committableSource(settings)
      .map(({ record, offset }) => ({ done: deliver(record), offset }))
      .mapAsync(64, async ({ done, offset }) => {
        await this.#takeTime();
        done();
        return offset;
      })
      .toMat(sink, both)
      .run();
  }

  /** Mostly done in the same turn, at times after some milliseconds, and now and then later than a revocation waits. */
  async #takeTime(): Promise<void> {
    const { random, revokeTimeoutMs } = this.#options;
    const drawn = random();
    if (drawn > 0.05) return;
    if (drawn >= 0.00005) return sleep(random() * 20);
    this.slow += 1;
    await sleep(revokeTimeoutMs + 500 + random() * 1000);
  }

  async #leave(member: Member, leaving: Leaving): Promise<void> {
    this.leavings.set(leaving, (this.leavings.get(leaving) ?? 0) + 1);
    this.#present.delete(member);
    const { name, control } = member;
    const work = leaving === "drains" ? this.#drain(member) : this.#goAbruptly(member, leaving);
    const late = AbortSignal.timeout(LEAVE_MS);
    await Promise.race([work, new Promise((resolve) => late.addEventListener("abort", resolve))]);
    if (late.aborted) this.failures.push(`${name} had not left after ${LEAVE_MS} ms: ${control.explain().toString()}`);
    this.#options.book.left(name, member.abruptly);
  }

  async #drain({ name, control, ended }: Member): Promise<void> {
    try {
      await control.drainAndShutdown(ended);
    } catch (error) {
      this.failures.push(`${name} could not drain: ${String(error)}`);
    }
  }

  async #goAbruptly(member: Member, leaving: Exclude<Leaving, "drains">): Promise<void> {
    const { control, ended, watched } = member;
    member.abruptly = true;
    const over = ended.catch(() => undefined);
    if (leaving === "fails") {
      member.failing = true;
      await Promise.race([over, sleep(FAIL_WITHIN_MS)]);
    }
    // Behind Millrace's back.
    if (leaving === "loses its client") await watched.client?.close().catch(() => undefined);
    await control.shutdown().catch(() => undefined);
    await over;
  }

  async #rest(leastMs: number, mostMs: number, until: Ending): Promise<void> {
    if (until.isOver) return;
    let timer: NodeJS.Timeout | undefined;
    const rested = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, leastMs + this.#options.random() * (mostMs - leastMs));
    });
    await Promise.race([rested, until.over]);
    clearTimeout(timer);
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
