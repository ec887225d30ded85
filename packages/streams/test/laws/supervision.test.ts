import { Flow, Join, Operators, Sink, Source, type StreamError, Supervision } from "@millrace/streams";
import { assertAllClosed, instrumented } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { BAD_DECIDERS, boom } from "../support/bad-deciders.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

type Check = (n: number) => void;

interface Supervised {
  /** The operator; its function calls `check` first, and so throws for some elements. What came through, at the end. */
  readonly flow: (check: Check) => Flow<number, number, unknown>;
  /** What came through when `check` never throws; default: the input. */
  readonly expected?: (input: readonly number[]) => readonly number[];
  readonly unordered?: boolean;
}

const numbers = (): Flow<number, number> => Flow.of<number>();
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const sumsOf = (input: readonly number[]): readonly number[] => {
  const sums = [0];
  for (const n of input) sums.push((sums.at(-1) as number) + n);
  return sums;
};

const third = (n: number): number => n % 3;

const checkedFirst =
  <A>(check: Check, f: (n: number) => A) =>
  (n: number): A => {
    check(n);
    return f(n);
  };

/** Every operator with a user function that adheres to supervision. */
const SUPERVISED: Readonly<Record<string, Supervised>> = {
  map: { flow: (check) => numbers().map(checkedFirst(check, (n) => n)) },
  filter: { flow: (check) => numbers().filter(checkedFirst(check, () => true)) },
  filterNot: { flow: (check) => numbers().filterNot(checkedFirst(check, () => false)) },
  collect: { flow: (check) => numbers().collect(checkedFirst(check, (n) => n)) },
  mapConcat: { flow: (check) => numbers().mapConcat(checkedFirst(check, (n) => [n])) },
  mapAsync: { flow: (check) => numbers().mapAsync(3, async (n) => checkedFirst(check, () => n)(n)) },
  mapAsyncUnordered: {
    flow: (check) => numbers().mapAsyncUnordered(3, async (n) => checkedFirst(check, () => n)(n)),
    unordered: true,
  },
  mapAsyncPartitioned: {
    flow: (check) => numbers().mapAsyncPartitioned(3, third, async (n) => checkedFirst(check, () => n)(n)),
  },
  mapAsyncPartitionedUnordered: {
    flow: (check) => numbers().mapAsyncPartitionedUnordered(3, third, async (n) => checkedFirst(check, () => n)(n)),
    unordered: true,
  },
  takeWhile: { flow: (check) => numbers().takeWhile(checkedFirst(check, () => true)) },
  scan: { flow: (check) => numbers().scan(0, (sum, n) => checkedFirst(check, () => sum + n)(n)), expected: sumsOf },
  statefulMap: {
    flow: (check) =>
      numbers().statefulMap(
        () => 0,
        (sum, n) => checkedFirst(check, (): [number, number] => [sum + n, sum + n])(n),
      ),
    expected: (input) => sumsOf(input).slice(1),
  },
  fold: {
    flow: (check) => numbers().fold(0, (sum, n) => checkedFirst(check, () => sum + n)(n)),
    expected: (input) => sumsOf(input).slice(-1),
  },
  reduce: {
    flow: (check) =>
      Flow.of<number>()
        .concat(Source.single(0))
        .reduce((sum, n) => checkedFirst(check, () => sum + n)(n)),
    expected: (input) => sumsOf(input).slice(-1),
  },
  aggregateWithBoundary: {
    flow: (check) =>
      numbers()
        .aggregateWithBoundary(
          (): readonly number[] => [],
          (kept, n) =>
            checkedFirst(check, (): readonly [readonly number[], boolean] => [[...kept, n], kept.length === 2])(n),
          (kept) => kept,
        )
        .mapConcat((kept) => kept),
  },
  batch: {
    flow: (check) =>
      numbers()
        .batch(
          4,
          checkedFirst(check, (n) => [n]),
          (batch, n) => checkedFirst(check, () => [...batch, n])(n),
        )
        .mapConcat((batch) => batch),
  },
  conflate: {
    flow: (check) =>
      numbers()
        .map((n): readonly number[] => [n])
        .conflate((kept, [n]) => checkedFirst(check, (element) => [...kept, element])(n as number))
        .mapConcat((kept) => kept),
  },
  partition: {
    flow: (check) => numbers().partition([numbers(), numbers(), numbers()], checkedFirst(check, third), Join.merge()),
    unordered: true,
  },
  divertTo: {
    flow: (check) =>
      numbers().divertTo(
        Sink.ignore,
        checkedFirst(check, () => false),
      ),
  },
  divertToMat: {
    flow: (check) =>
      numbers().divertToMat(
        Sink.ignore,
        checkedFirst(check, () => false),
        // The promise of the side is heard, as it would be by whoever asks for it.
        (_, side) => void side.catch(() => undefined),
      ),
  },
  groupBy: {
    flow: (check) =>
      numbers()
        .groupBy(
          3,
          checkedFirst(check, (n) => n % 3),
        )
        .map((n) => n)
        .mergeSubstreams(),
    unordered: true,
  },
  log: {
    flow: (check) => numbers().log("law", { logger: silent, extract: checkedFirst(check, (n) => n) }),
  },
};

/** Why an operator is not in the table. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "handles the failure itself": "recover",
  "its function combines materialised values, while the stream is built":
    "alsoToMat mergeMat concatMat zipMat viaMat watchTermination mapMaterializedValue",
  "takes no function":
    "take drop grouped groupedWithin buffer throttle merge concat zip broadcast alsoTo via withAttributes",
  "is the way operators are added": "constructor apply stage fanIn derive",
};

const ascending = (elements: readonly number[]): readonly number[] => [...elements].sort((a, b) => a - b);

describe("a decider that says resume", () => {
  it("is tried on every operator there is", () => {
    const known = new Set([
      ...Object.keys(SUPERVISED),
      ...Object.values(LEFT_OUT).flatMap((names) => names.split(" ")),
    ]);
    const unknown = Object.getOwnPropertyNames(Operators.prototype).filter((name) => !known.has(name));
    expect(unknown, "put each into SUPERVISED, or into LEFT_OUT with its reason").to.deep.equal([]);
  });

  for (const [name, { flow, expected = (input: readonly number[]) => input, unordered }] of Object.entries(
    SUPERVISED,
  )) {
    it(`drops exactly the failing elements: ${name}`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.nat(60),
          fc.array(fc.nat(60), { maxLength: 30 }),
          fc.nat(1_000_000),
          async (length, failing, seed) => {
            const input = Array.from({ length }, (_, index) => index + 1);
            const failed = new Set<number>();
            const stream = Source.from(input)
              .via(
                flow((n) => {
                  if (!failing.includes(n)) return;
                  failed.add(n);
                  throw new Error(`boom ${n}`);
                }),
              )
              .withAttributes({ supervision: Supervision.resumingDecider });
            const options = instrumented({ seed });
            const output = await assertAllClosed(() => stream.runWith(Sink.toArray(), options));
            options.verify();
            const wanted = expected(input.filter((n) => !failed.has(n)));
            expect(unordered ? ascending(output) : output).to.deep.equal(wanted);
          },
        ),
        { numRuns: 60 },
      ));
  }
});

describe("a decider that does not decide", () => {
  for (const [name, { flow }] of Object.entries(SUPERVISED)) {
    for (const [kind, { decider, cause }] of Object.entries(BAD_DECIDERS)) {
      it(`fails the stream by an error of its own where it ${kind}: ${name}`, async () => {
        let failure: unknown;
        const stream = Source.from([1, 2, 3, 4, 5, 6])
          .via(
            flow((n) => {
              if (n === 2) throw boom;
            }),
          )
          .withAttributes({ supervision: decider });
        const unheard = await unhandledRejections(async () => {
          failure = await assertAllClosed(() => stream.runWith(Sink.ignore)).catch((error: unknown) => error);
        });
        expect((failure as StreamError).code).to.equal("DECIDER_FAILED");
        expect((failure as StreamError).cause).to.equal(cause);
        expect(unheard).to.deep.equal([]);
      });
    }
  }

  it("is named, with what it did and what it was asked about", async () => {
    const failureOf = (supervision: unknown): Promise<string> =>
      Source.single(1)
        .map(() => {
          throw boom;
        })
        .withAttributes({ supervision: supervision as never })
        .runWith(Sink.ignore)
        .then(
          () => "",
          (error: unknown) => (error as Error).message,
        );
    const rest = 'when it was asked about Error: boom; it has to answer "stop", "resume" or "restart", at once';
    expect(await failureOf(() => "go on")).to.equal(`the decider answered "go on" ${rest}`);
    expect(await failureOf(async () => "resume")).to.equal(`the decider answered a promise ${rest}`);
    expect(await failureOf(() => Object.create(null) as unknown)).to.include(
      "the decider answered something without a text",
    );
    expect(await failureOf("resume")).to.match(/^the decider threw TypeError: /);
  });
});
