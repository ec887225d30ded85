import { discard, handle, type HandlePolicy, NotRetriableError, silentLogger } from "@millrace/kafka";
import { type Claim, type ClaimOutcome, Sink, Source, SourceWithContext } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";

/** What a handler does with a record: it fails so often, and then it works, refuses it, or hangs until its signal. */
interface Way {
  readonly key: number;
  readonly fails: number;
  readonly then: "works" | "refuses" | "hangs";
  readonly takesMs: number;
}

interface Task extends Way {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What became of a record: how its claim ended, and how often. */
class Ends implements Claim {
  readonly all: { readonly outcome: ClaimOutcome; readonly reason: string | undefined }[] = [];

  share(): void {
    throw new Error("nothing is split here");
  }

  end(outcome: ClaimOutcome, reason?: string): void {
    this.all.push({ outcome, reason });
  }

  at(): void {}
}

const ATTEMPTS = 3;

const ways = (then: readonly Way["then"][]) =>
  fc.array(
    fc.record({
      key: fc.nat(4),
      fails: fc.nat(4),
      then: fc.constantFrom(...then),
      takesMs: fc.integer({ min: 0, max: 30 }),
    }),
    { minLength: 1, maxLength: 25 },
  );

/** Handles all of them; answers what became of each, and checks how they were handled meanwhile. */
const outcomes = async (
  given: readonly Way[],
  policy: Partial<HandlePolicy>,
): Promise<readonly { readonly task: Task; readonly ends: Ends; readonly attempts: number }[]> => {
  const clock: VirtualClock = virtualClock();
  const { parallelism = 16, order = "key" } = policy;
  const all = given.map((way, index) => {
    const task: Task = { ...way, topic: "t", partition: index % 2, offset: Math.floor(index / 2) };
    return { task, ends: new Ends(), attempts: 0, running: false };
  });
  const of = (task: Task) => all.find((each) => each.task === task)!;
  const groupOf = (task: Task): unknown => (order === "key" ? task.key : order === "partition" ? task.partition : task);
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => clock.schedule(ms, resolve));

  const violations: string[] = [];
  const work = async (task: Task, { signal, number }: { readonly signal: AbortSignal; readonly number: number }) => {
    const own = of(task);
    own.attempts += 1;
    const running = all.filter((each) => each.running);
    const isBehind = (each: (typeof all)[number]): boolean => groupOf(each.task) === groupOf(task) && each !== own;
    if (own.running) violations.push("two attempts of a record at a time");
    if (running.length >= parallelism) violations.push("more at a time than may be");
    if (running.some(isBehind)) violations.push("two records of a key at a time");
    if (all.slice(all.indexOf(own)).some((each) => isBehind(each) && each.attempts > 0))
      violations.push("a record was handled before one that precedes it");
    own.running = true;
    try {
      await sleep(task.takesMs);
      if (own.attempts <= task.fails) throw new Error(`503, attempt ${number}`);
      if (task.then === "refuses") throw new NotRetriableError("no");
      if (task.then === "hangs")
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    } finally {
      own.running = false;
    }
  };

  let isOver = false;
  const run = SourceWithContext.fromSource(Source.from(all.map(({ task, ends }) => ({ value: task, claim: ends }))))
    .via(
      handle(work, {
        ...{ attempts: ATTEMPTS, timeoutMs: 50, backoff: { minMs: 5, maxMs: 40 }, logger: silentLogger },
        ...{ otherwise: discard("failed for good"), random: () => 0.5 },
        ...policy,
      }),
    )
    .discardContext()
    .runWith(Sink.ignore, { clock })
    .finally(() => (isOver = true));
  for (let turn = 0; !isOver && turn < 10_000; turn++) await clock.advance(100);
  await run;
  expect(clock.pending).to.equal(0);
  expect(violations).to.deep.equal([]);
  return all;
};

const hasOneEnd = (ends: Ends): void => {
  expect(ends.all).to.have.length(1);
};
const wasDone = ({ all }: Ends): boolean => all[0]?.reason === "context discarded";

describe("a handler", () => {
  const policies = fc.record({
    parallelism: fc.integer({ min: 1, max: 8 }),
    order: fc.constantFrom<HandlePolicy["order"] & string>("key", "partition", "none"),
  });

  it("gives each record one outcome, after no more attempts than it may have, in order", async () => {
    await fc.assert(
      fc.asyncProperty(ways(["works", "refuses", "hangs"]), policies, async (given, policy) => {
        for (const { task, ends, attempts } of await outcomes(given, { ...policy, brake: false })) {
          hasOneEnd(ends);
          const succeeds = task.then === "works" && task.fails < ATTEMPTS;
          expect(wasDone(ends), JSON.stringify(task)).to.equal(succeeds);
          const needed = task.then === "hangs" ? ATTEMPTS : Math.min(task.fails + 1, ATTEMPTS);
          expect(attempts, JSON.stringify(task)).to.equal(needed);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives each record one outcome also with a brake, and leaves out no more than without", async () => {
    await fc.assert(
      fc.asyncProperty(ways(["works", "refuses"]), policies, async (given, policy) => {
        const brake = { failuresInARow: 3 };
        for (const { task, ends } of await outcomes(given, { ...policy, brake })) {
          hasOneEnd(ends);
          if (task.then === "works" && task.fails < ATTEMPTS)
            expect(wasDone(ends), JSON.stringify(task)).to.equal(true);
          if (task.then === "refuses") expect(wasDone(ends)).to.equal(false);
        }
      }),
      { numRuns: 300 },
    );
  });
});
