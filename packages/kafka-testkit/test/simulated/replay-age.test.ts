import { committableSource, committerSink, DrainingControl, sourceWithOffsetContext } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { passing } from "./support/virtual-time.js";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
/** How long records flow. */
const FLOW_MS = 10_000;
const STEP_MS = 10;
/** A poll that runs already when a commit is asked for, and the steps in which it is looked. */
const SLACK_MS = 100;

interface Case {
  readonly surface: "explicit" | "followed";
  readonly partitions: number;
  readonly everyMs: number;
  readonly workMs: number;
  readonly commitDelayMs: number;
  /** Of the budget, beside what the work and two commits take. */
  readonly spareMs: number;
  readonly seed: number;
}

interface Seen {
  /** How old the oldest record was that a crash would have repeated, at worst. */
  readonly worstMs: number;
  /** Records of each partition at the end: delivered, and committed before anybody asked for a drain. */
  readonly delivered: readonly number[];
  readonly committed: readonly number[];
  readonly appended: number;
  readonly failure: unknown;
}

const budgetOf = ({ workMs, commitDelayMs, spareMs }: Case): number => 2 * (workMs + 2 * commitDelayMs + spareMs);

/** Lets records flow into a source whose committer would never commit by itself. */
const seen = async (drawn: Case): Promise<Seen> => {
  const clock = virtualClock();
  const cluster = new SimulatedKafka({ seed: drawn.seed, clock });
  cluster.createTopic("in", drawn.partitions);
  cluster.setFaults({ commitDelayMs: [0, drawn.commitDelayMs] });
  const deliveredAt: number[][] = Array.from({ length: drawn.partitions }, () => []);
  const decode = (bytes: Buffer | null): string => {
    const [partition, offset] = String(bytes).split(" ").map(Number) as [number, number];
    (deliveredAt[partition] as number[])[offset] = clock.now();
    return "v";
  };
  const kafka = { brokers: "x:1", groupId: "g", driver: cluster.driver, logger: SILENT };
  const settings = { kafka, topics: ["in"], value: { decode }, maxReplay: { ms: budgetOf(drawn) } };
  const work = (): Promise<void> => new Promise((resolve) => void clock.schedule(drawn.workMs, resolve));
  const sink = committerSink({ maxBatch: 1_000_000, maxIntervalMs: 1_000_000 });
  const control =
    drawn.surface === "followed"
      ? sourceWithOffsetContext(settings).mapAsyncUnordered(100, work).toMat(sink, DrainingControl.from).run({ clock })
      : committableSource(settings)
          .mapAsync(100, async ({ offset }) => {
            await work();
            return offset;
          })
          .toMat(sink, DrainingControl.from)
          .run({ clock });
  let failure: unknown;
  control.streamCompletion.catch((error: unknown) => (failure = error));
  let appended = 0;
  let worstMs = 0;
  const committed = (): readonly number[] =>
    deliveredAt.map((_, partition) => cluster.committed("g").find((each) => each.partition === partition)?.offset ?? 0);
  for (let now = 0; now < FLOW_MS + 2 * budgetOf(drawn); now += STEP_MS) {
    if (now < FLOW_MS && now % drawn.everyMs === 0) {
      for (let partition = 0; partition < drawn.partitions; partition++) {
        cluster.append("in", partition, { key: "k", value: `${partition} ${appended}` });
      }
      appended += 1;
    }
    await clock.advance(STEP_MS);
    committed().forEach((offset, partition) => {
      const oldest = deliveredAt[partition]?.[offset];
      if (oldest !== undefined) worstMs = Math.max(worstMs, clock.now() - oldest);
    });
  }
  const atEnd = committed();
  await passing(
    clock,
    control.drainAndShutdown().catch((error: unknown) => (failure ??= error)),
    "the drain",
  );
  return { worstMs, delivered: deliveredAt.map(({ length }) => length), committed: atEnd, appended, failure };
};

const drawn: fc.Arbitrary<Case> = fc.record({
  surface: fc.constantFrom("explicit", "followed"),
  partitions: fc.integer({ min: 1, max: 3 }),
  everyMs: fc.constantFrom(10, 50, 200, 1000),
  workMs: fc.constantFrom(0, 20, 100),
  commitDelayMs: fc.constantFrom(0, 30, 150),
  spareMs: fc.integer({ min: 100, max: 1500 }),
  seed: fc.nat(),
});

describe("a budget of replays in time", () => {
  it("is kept while records flow and when they cease, though the committer has an interval beyond it", () =>
    fc.assert(
      fc.asyncProperty(drawn, async (each) => {
        const { worstMs, delivered, committed, appended, failure } = await seen(each);
        expect(failure).to.equal(undefined);
        // Half of the budget passes before a commit is asked for, which is looked at ten times in a budget.
        const most = 0.6 * budgetOf(each) + each.workMs + 2 * each.commitDelayMs + SLACK_MS;
        expect(worstMs).to.be.at.most(most);
        expect(delivered).to.deep.equal(Array(each.partitions).fill(appended));
        expect(committed, "also when nothing comes any more").to.deep.equal(delivered);
      }),
      { numRuns: 25 },
    )).timeout(60_000);
});
