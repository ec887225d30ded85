import {
  type Decider,
  FlowWithContext,
  Join,
  Keep,
  OperatorsWithContext,
  Source,
  SourceWithContext,
  type StreamError,
  Supervision,
  type WithClaim,
} from "@millrace/streams";
import { assertAllClosed, instrumented, settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { BAD_DECIDERS, boom } from "../support/bad-deciders.js";
import { latch } from "../support/runs.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { operatorsOf } from "./context-steps.js";
import { recordingClaims, type RecordingClaims } from "./recording-claims.js";

type Check = (n: number) => void;
type Numbers = FlowWithContext<number, number, unknown>;

const numbers = (): FlowWithContext<number, number> => FlowWithContext.of<number>();
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const checkedFirst =
  <A>(check: Check, f: (n: number) => A) =>
  (n: number): A => {
    check(n);
    return f(n);
  };

/** Every operator with a user function, which calls `check` first; it drops nothing of its own accord. */
const SUPERVISED: Readonly<Record<string, (check: Check) => Numbers>> = {
  map: (check) => numbers().map(checkedFirst(check, (n) => n)),
  filter: (check) => numbers().filter(checkedFirst(check, () => true)),
  filterNot: (check) => numbers().filterNot(checkedFirst(check, () => false)),
  collect: (check) => numbers().collect(checkedFirst(check, (n) => n)),
  mapConcat: (check) => numbers().mapConcat(checkedFirst(check, (n) => [n])),
  "mapConcat while iterating": (check) =>
    numbers().mapConcat(function* (n) {
      check(n);
      yield n;
    }),
  mapAsync: (check) => numbers().mapAsync(3, async (n) => checkedFirst(check, () => n)(n)),
  "mapAsync, thrown": (check) =>
    numbers().mapAsync(
      3,
      checkedFirst(check, (n) => Promise.resolve(n)),
    ),
  mapAsyncUnordered: (check) => numbers().mapAsyncUnordered(3, async (n) => checkedFirst(check, () => n)(n)),
  mapAsyncPartitioned: (check) =>
    numbers().mapAsyncPartitioned(
      3,
      (n) => n % 2,
      async (n) => checkedFirst(check, () => n)(n),
    ),
  "mapAsyncPartitioned, key": (check) =>
    numbers().mapAsyncPartitioned(
      3,
      checkedFirst(check, (n) => n % 2),
      async (n) => n,
    ),
  mapAsyncPartitionedUnordered: (check) =>
    numbers().mapAsyncPartitionedUnordered(
      3,
      (n) => n % 2,
      async (n) => checkedFirst(check, () => n)(n),
    ),
  takeWhile: (check) => numbers().takeWhile(checkedFirst(check, () => true)),
  "takeWhile in a group": (check) =>
    numbers()
      .groupBy(1, () => 0)
      .takeWhile(checkedFirst(check, () => true))
      .mergeSubstreams(),
  statefulMap: (check) =>
    numbers().statefulMap(
      () => 0,
      (sum, n) => checkedFirst(check, () => [sum + n, n] as const)(n),
    ),
  aggregateWithBoundary: (check) =>
    numbers()
      .aggregateWithBoundary(
        (): readonly number[] => [],
        (kept, n) =>
          checkedFirst(check, (): readonly [readonly number[], boolean] => [[...kept, n], kept.length === 2])(n),
        (kept) => kept,
      )
      .mapConcat((kept) => kept),
  "aggregateWithBoundary, startsNew": (check) =>
    numbers()
      .aggregateWithBoundary(
        (): readonly number[] => [],
        // What begins an aggregate is not asked whether it starts a new one.
        (kept, n) =>
          kept.length === 0
            ? checkedFirst(check, (): readonly [readonly number[], boolean] => [[n], false])(n)
            : [[...kept, n], false],
        (kept) => kept,
        { startsNew: (_, n) => checkedFirst(check, () => n % 2 === 0)(n) },
      )
      .mapConcat((kept) => kept),
  batch: (check) =>
    numbers()
      .batch(
        4,
        checkedFirst(check, (n) => [n]),
        (batch, n) => checkedFirst(check, () => [...batch, n])(n),
      )
      .mapConcat((batch) => batch),
  conflate: (check) =>
    numbers()
      .map((n): readonly number[] => [n])
      .conflate((kept, [n]) => checkedFirst(check, (element) => [...kept, element])(n as number))
      .mapConcat((kept) => kept),
  groupBy: (check) =>
    numbers()
      .groupBy(
        3,
        checkedFirst(check, (n) => n % 3),
      )
      .map((n) => n)
      .mergeSubstreams(),
  "groupBy, in a group": (check) =>
    numbers()
      .groupBy(3, (n) => n % 3)
      .map(checkedFirst(check, (n) => n))
      .mergeSubstreams(),
  broadcast: (check) => numbers().broadcast([numbers().map(checkedFirst(check, (n) => n))], Join.merge()),
  partition: (check) =>
    numbers().partition(
      [numbers()],
      checkedFirst(check, () => 0),
      Join.merge(),
    ),
  divertTo: (check) =>
    numbers().divertTo(
      numbers(),
      checkedFirst(check, () => false),
    ),
  divertToMat: (check) =>
    numbers().divertToMat(
      numbers(),
      checkedFirst(check, () => false),
      Keep.right,
    ),
  log: (check) => numbers().log("law", { logger: silent, extract: checkedFirst(check, (n) => n) }),
};

const WITHOUT_FUNCTION =
  "take drop grouped groupedWithin buffer throttle merge mergeMat concat concatMat zip zipMat alsoTo alsoToMat via viaMat watchTermination mapMaterializedValue withAttributes";

const bad = (n: number): boolean => n % 3 === 0;

const throwing = (n: number): void => {
  if (bad(n)) throw boom;
};

interface Ran {
  readonly claims: RecordingClaims;
  readonly failure: unknown;
}

const runWith = async (flow: Numbers, input: readonly number[], decider: Decider, seed: number): Promise<Ran> => {
  const claims = recordingClaims();
  const source = claims
    .source(input, 1 + (seed % 9))
    .via(flow)
    .withAttributes({ supervision: decider });
  const graph = source.toMat(claims.sink<number>(), Keep.right);
  const options = instrumented({ seed });
  const failure = await assertAllClosed(() =>
    graph.run(options).then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  options.verify();
  expect(claims.violations).to.deep.equal([]);
  return { claims, failure };
};

const property = (check: (input: readonly number[], seed: number) => Promise<void>): Promise<void> =>
  fc.assert(fc.asyncProperty(fc.array(fc.nat(50), { maxLength: 40 }), fc.nat(1_000_000), check), { numRuns: 20 });

const name = (title: string): string => title.split(/[ ,]/)[0] as string;

const stageOf = (title: string): string => {
  if (title === "broadcast" || title === "groupBy, in a group") return "map";
  return name(title).replace(/Mat$/, "");
};

describe("a user function that throws, on a stream with context", () => {
  it("may throw what has no text, and the record that is dropped still gets a reason", async () => {
    const thrown: unknown = Object.create(null);
    const flow = FlowWithContext.of<number>().map(() => {
      throw thrown;
    });
    const { claims, failure } = await runWith(flow, [1], Supervision.resumingDecider, 1);
    expect(failure).to.equal(undefined);
    expect(claims.endOf(0)?.reason).to.match(/map threw something without a text$/);
  });

  it("is tried on every operator there is", () => {
    const tried = new Set([...Object.keys(SUPERVISED).map(name), ...WITHOUT_FUNCTION.split(" ")]);
    expect([...tried].sort()).to.deep.equal([...operatorsOf(OperatorsWithContext)].sort());
  });

  for (const [title, flow] of Object.entries(SUPERVISED)) {
    it(`fails the stream and leaves every claim open: ${title}`, () =>
      property(async (input, seed) => {
        const { claims, failure } = await runWith(flow(throwing), input, Supervision.stoppingDecider, seed);
        // A single element is not aggregated.
        if (title !== "conflate") expect(failure).to.equal(input.some(bad) ? boom : undefined);
        expect(claims.openIds().length).to.equal(claims.size);
      }));

    it(`asks the decider once for each error and discards what it drops: ${title}`, () =>
      property(async (input, seed) => {
        let asked = 0;
        const resuming: Decider = (error) => {
          expect(error).to.equal(boom);
          asked += 1;
          return "resume";
        };
        const { claims, failure } = await runWith(flow(throwing), input, resuming, seed);
        expect(failure).to.equal(undefined);
        const dropped = input.map((_, id) => id).filter((id) => claims.get(id).ended);
        expect(asked).to.equal(dropped.length);
        if (title !== "conflate") expect(dropped).to.deep.equal(input.flatMap((n, id) => (bad(n) ? [id] : [])));
        for (const id of dropped) {
          const end = claims.endOf(id);
          expect(end?.outcome).to.equal("discarded");
          expect(end?.reason).to.equal(`dropped by the decider (resume): ${stageOf(title)} threw Error: boom`);
        }
      }));

    it(`leaves the others whole when it restarts: ${title}`, () =>
      property(async (input, seed) => {
        const { claims, failure } = await runWith(flow(throwing), input, Supervision.restartingDecider, seed);
        expect(failure).to.equal(undefined);
        const good = input.flatMap((n, id) => (bad(n) ? [] : [id]));
        const dropped = good.filter((id) => claims.get(id).ended);
        const dropsState = ["batch", "conflate", "aggregateWithBoundary"].includes(name(title));
        if (!dropsState) expect(dropped).to.deep.equal([]);
        for (const id of dropped) expect(claims.endOf(id)?.reason).to.contain("(restart)");
        // A batch is joint: its members are open together.
        const arrived = new Set(claims.arrived.map(({ value }) => value));
        for (const id of good) expect(claims.get(id).ended || arrived.has(input[id])).to.equal(true);
      }));
  }
});

describe("a decider that does not decide, on a stream with context", () => {
  for (const [title, flow] of Object.entries(SUPERVISED)) {
    for (const [kind, { decider, cause }] of Object.entries(BAD_DECIDERS)) {
      it(`fails the stream by an error of its own and leaves every claim open where it ${kind}: ${title}`, async () => {
        let ran: Ran | undefined;
        const unheard = await unhandledRejections(async () => {
          ran = await runWith(flow(throwing), [1, 2, 3, 4, 6], decider, 8);
        });
        expect((ran?.failure as StreamError).code).to.equal("DECIDER_FAILED");
        expect((ran?.failure as StreamError).cause).to.equal(cause);
        expect(ran?.claims.openIds().length).to.equal(ran?.claims.size);
        expect(unheard).to.deep.equal([]);
      });
    }
  }
});

describe("an asynchronous call that outlives its stream", () => {
  const start = (decider: Decider) => {
    const claims = recordingClaims();
    const calls = [latch<number>(), latch<number>()];
    const graph = claims
      .source([0, 1])
      .mapAsyncUnordered(2, (n) => (calls[n] as (typeof calls)[number]).promise)
      .withAttributes({ supervision: decider })
      .toMat(claims.sink<number>(), Keep.right);
    return { claims, calls, done: graph.run() };
  };

  it("changes no claim by failing once the stream has failed", async () => {
    const { claims, calls, done } = start((error) => (error === boom ? "stop" : "resume"));
    await settle();
    calls[0]?.reject(boom);
    const failure: unknown = await done.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.equal(boom);
    calls[1]?.reject(new Error("late"));
    await settle();
    expect(claims.openIds()).to.deep.equal([0, 1]);
    expect(claims.get(1).ends).to.deep.equal([]);
  });

  it("changes no claim by failing once upstream has failed", async () => {
    const claims = recordingClaims();
    const call = latch<number>();
    const failed = SourceWithContext.fromSource(Source.failed<WithClaim<number>>(boom));
    const done = claims
      .source([0])
      .concat(failed)
      .mapAsync(2, () => call.promise)
      .withAttributes({ supervision: Supervision.resumingDecider })
      .toMat(claims.sink<number>(), Keep.right)
      .run();
    expect(await done.catch((error: unknown) => error)).to.equal(boom);
    call.reject(new Error("late"));
    await settle();
    expect(claims.get(0).ends).to.deep.equal([]);
  });

  it("changes no claim by failing once downstream has cancelled", async () => {
    const claims = recordingClaims();
    const call = latch<number>();
    const done = claims
      .source([0, 1])
      .mapAsyncUnordered(2, (n) => (n === 0 ? 0 : call.promise))
      .take(1)
      .withAttributes({ supervision: Supervision.resumingDecider })
      .toMat(claims.sink<number>(), Keep.right)
      .run();
    await done;
    call.reject(new Error("late"));
    await settle();
    expect(claims.get(1).ends).to.deep.equal([]);
  });

  it("changes no claim by failing in the same turn, after the one that fails the stream", async () => {
    const { claims, calls, done } = start((error) => (error === boom ? "stop" : "resume"));
    await settle();
    calls[0]?.reject(boom);
    calls[1]?.reject(new Error("late"));
    await done.catch(() => undefined);
    await settle();
    expect(claims.openIds()).to.deep.equal([0, 1]);
  });

  it("says to the claim where it is", async () => {
    const { claims, calls, done } = start(Supervision.stoppingDecider);
    await settle();
    expect(claims.get(1).place).to.equal("mapAsyncUnordered");
    calls[0]?.resolve(0);
    calls[1]?.resolve(1);
    await done;
  });
});
