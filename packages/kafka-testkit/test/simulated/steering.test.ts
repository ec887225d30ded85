import {
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const PLACES = [0, 1].map((partition) => ({ topic: "in", partition }));

type What = "work" | "slow" | "filtered";

interface Step {
  readonly do: "nothing" | "pause" | "resume" | "seek" | "seekElsewhere" | "replay" | "join" | "leave" | "faults";
  /** Appended before it, to the first partition and to the second. */
  readonly records: readonly [readonly What[], readonly What[]];
  /** How long after that. */
  readonly atMs: number;
  readonly partitions: readonly number[] | undefined;
  readonly offset: number;
}

const WAIT_MS = 12_000;
const MOST_WAITS = 12;

/** A consumer whose stream always wants more and finishes everything in the end, and what is done to it. */
class World {
  readonly clock: VirtualClock = virtualClock();
  readonly cluster: SimulatedKafka;
  readonly control: DrainingControl<unknown>;
  readonly settings;
  failure: unknown;
  #others: Control[] = [];
  /** Seeks that wait or have failed. */
  failed = 0;

  constructor(followed: boolean, maxInFlight: number, seed: number) {
    const { clock } = this;
    this.cluster = new SimulatedKafka({ seed, clock });
    this.cluster.createTopic("in", PLACES.length);
    this.settings = {
      ...{ kafka: { brokers: "x:1", groupId: "g", driver: this.cluster.driver, logger: SILENT }, topics: ["in"] },
      ...{ value: string(), maxPollRecords: 2, maxBufferedRecords: 6, revokeTimeoutMs: 600 },
    };
    const settings = { ...this.settings, maxInFlight, maxInFlightTotal: maxInFlight + 1 };
    const work = (what: string): Promise<void> =>
      new Promise((resolve) => void clock.schedule(what === "slow" ? 900 : 100, resolve));
    const sink = committerSink({ maxIntervalMs: 200, delivery: "sendAndForget" });
    this.control = followed
      ? sourceWithOffsetContext({ ...settings, maxReplay: { records: 2 * maxInFlight + 4 } })
          .mapAsync(1, ({ value }) => work(value))
          .toMat(sink, DrainingControl.from)
          .run({ clock })
      : committableSource(settings)
          .mapAsync(1, async (message) => {
            await work(message.record.value);
            return message;
          })
          .filter(({ record }) => record.value !== "filtered")
          .map(({ offset }) => offset)
          .toMat(sink, DrainingControl.from)
          .run({ clock });
    this.control.streamCompletion.catch((error: unknown) => (this.failure = error));
  }

  #do(step: Step): void {
    const { control } = this;
    const places = step.partitions?.map((partition) => PLACES[partition]!);
    const told = (promise: Promise<unknown>): void => void promise.catch(() => (this.failed += 1));
    const offset = step.offset;
    if (step.do === "pause") control.pause(places);
    else if (step.do === "resume") control.resume(places);
    else if (step.do === "seek") told(control.seek((places ?? PLACES).map((each) => ({ ...each, offset }))));
    else if (step.do === "seekElsewhere") told(control.seek([{ topic: "in", partition: 7, offset }]));
    else if (step.do === "replay") told(control.replayFrom(0, places));
    else if (step.do === "join") {
      const other = committableSource(this.settings).to(Sink.ignore).run({ clock: this.clock });
      other.isShutdown.catch(() => undefined);
      this.#others.push(other);
    } else if (step.do === "leave") void this.#others.pop()?.shutdown();
    else if (step.do === "faults") {
      this.cluster.setFaults({
        commitErrorRate: 0.3,
        commitLossRate: 0.2,
        commitRefusalRate: 0.3,
        commitDelayMs: [0, 300],
      });
    }
  }

  /** Answers what waits to be delivered though nothing holds it back. */
  async take(step: Step): Promise<string[]> {
    step.records.forEach((each, partition) => {
      this.cluster.append("in", partition, ...each.map((value) => ({ key: "k", value })));
    });
    await this.clock.advance(step.atMs);
    this.#do(step);
    // What was sought back to takes its time again, a second for each slow record.
    for (let waits = 0; waits < MOST_WAITS; waits++) {
      await this.clock.advance(WAIT_MS);
      if (this.#waiting.length === 0) break;
    }
    return this.#waiting;
  }

  get #waiting(): string[] {
    return this.control.explain().partitions.flatMap(({ state, buffered, partition }) => {
      return buffered > 0 && state !== "pausedByUser" ? [`${partition} ${state} ${buffered}`] : [];
    });
  }

  async close(): Promise<void> {
    for (const other of this.#others) void other.shutdown();
    this.control.drainAndShutdown().catch(() => undefined);
    await this.clock.advance(5000);
  }
}

const records = fc.array(fc.constantFrom<What>("work", "work", "work", "filtered", "slow"), { maxLength: 6 });
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom<Step["do"]>(
    ...(["nothing", "pause", "resume", "seek", "seek", "seekElsewhere", "replay", "join", "leave", "faults"] as const),
  ),
  records: fc.tuple(records, records),
  atMs: fc.integer({ min: 0, max: 700 }),
  partitions: fc.constantFrom(undefined, [0], [1], [0, 1]),
  offset: fc.nat(10),
});

/** Commits are refused, and with them a seek that has to commit first, while a record waits in the buffer. */
const FAILED_SEEK: readonly Step[] = [
  { do: "faults", records: [[], []], atMs: 0, partitions: undefined, offset: 0 },
  { do: "seek", records: [["work"], ["work", "work"]], atMs: 0, partitions: undefined, offset: 0 },
];

describe("steering a source", () => {
  it("leaves nothing asleep in a buffer, whatever call has settled, well or not", async () => {
    let failed = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { minLength: 1, maxLength: 8, size: "max" }),
        fc.nat(),
        async (followed, maxInFlight, steps, seed) => {
          const world = new World(followed, maxInFlight, seed);
          for (const each of steps) expect(await world.take(each)).to.deep.equal([]);
          expect(world.failure).to.equal(undefined);
          failed += world.failed;
          await world.close();
        },
      ),
      { numRuns: 15, endOnFailure: true, examples: [[false, 1, [...FAILED_SEEK], 10]] },
    );
    expect(failed).to.be.above(3);
  }).timeout(60_000);
});
