import { runInNewContext } from "node:vm";
import { FlowWithContext, Sink, Source, SourceWithContext, type WithClaim } from "@millrace/streams";
import { nextTurn } from "@millrace/streams/stage";
import { expect } from "chai";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { recordingClaims } from "../with-context/recording-claims.js";

type Call = (n: number) => PromiseLike<number>;
type Ends = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void;

const boom = new Error("boom");

// biome-ignore lint/suspicious/noThenProperty: thenables are what is tested
const thenable = (then: Ends): PromiseLike<number> => ({ then }) as unknown as PromiseLike<number>;

const later = (...fs: readonly (() => void)[]): void => {
  for (const f of fs) nextTurn(f);
};

class Custom<A> extends Promise<A> {}

/** What is not a plain promise, and stands for `n`. */
const RESOLVING: Readonly<Record<string, Call>> = {
  "settles twice": (n) =>
    thenable((resolve) =>
      later(
        () => resolve(n),
        () => resolve(-1),
      ),
    ),
  "settles twice at once": (n) =>
    thenable((resolve) => {
      resolve(n);
      resolve(-1);
    }),
  "resolves, and then rejects": (n) =>
    thenable((resolve, reject) =>
      later(
        () => resolve(n),
        () => reject(boom),
      ),
    ),
  "resolves, and then throws": (n) =>
    thenable((resolve) => {
      resolve(n);
      throw boom;
    }),
  "settles with a promise": (n) => thenable((resolve) => resolve(Promise.resolve(n))),
  "settles with a thenable that settles twice": (n) =>
    thenable((resolve) =>
      resolve(
        thenable((inner) => {
          inner(n);
          inner(-1);
        }),
      ),
    ),
  "is a function": (n) =>
    Object.assign(() => -1, {
      // biome-ignore lint/suspicious/noThenProperty: a callable thenable is what is tested
      then: (resolve: (value: number) => void) => resolve(n),
    }) as unknown as PromiseLike<number>,
  "is a promise whose then settles twice": (n) =>
    Object.assign(Promise.resolve(-1), {
      // biome-ignore lint/suspicious/noThenProperty: a changed promise is what is tested
      then: (resolve: (value: number) => void) => {
        resolve(n);
        resolve(-1);
      },
    }),
  "is of a class of its own": (n) => Custom.resolve(n),
  "is a promise of another realm": runInNewContext("(n) => Promise.resolve(n)") as Call,
};

/** What fails with `boom`, once. */
const REJECTING: Readonly<Record<string, Call>> = {
  "rejects, and then resolves": () =>
    thenable((resolve, reject) =>
      later(
        () => reject(boom),
        () => resolve(-1),
      ),
    ),
  "rejects twice": () =>
    thenable((_, reject) => {
      reject(boom);
      reject(new Error("again"));
    }),
  "throws when it is followed": () =>
    thenable(() => {
      throw boom;
    }),
  "throws when it is looked at": () => ({
    // biome-ignore lint/suspicious/noThenProperty: a getter that throws is what is tested
    get then(): never {
      throw boom;
    },
  }),
  "settles with a promise that rejects": () => thenable((resolve) => resolve(Promise.reject(boom))),
};

interface Stages<Self> {
  mapAsync(parallelism: number, f: Call): Self;
  mapAsyncUnordered(parallelism: number, f: Call): Self;
  mapAsyncPartitioned(parallelism: number, key: (n: number) => number, f: Call): Self;
  mapAsyncPartitionedUnordered(parallelism: number, key: (n: number) => number, f: Call): Self;
}

const half = (n: number): number => n % 2;

const STAGES: Readonly<Record<string, <Self extends Stages<Self>>(stream: Self, call: Call) => Self>> = {
  mapAsync: (stream, call) => stream.mapAsync(2, call),
  mapAsyncUnordered: (stream, call) => stream.mapAsyncUnordered(2, call),
  mapAsyncPartitioned: (stream, call) => stream.mapAsyncPartitioned(2, half, call),
  mapAsyncPartitionedUnordered: (stream, call) => stream.mapAsyncPartitionedUnordered(2, half, call),
};

const INPUT = [0, 1, 2, 3, 4];

interface Outcome {
  readonly elements: readonly number[];
  readonly error: unknown;
  /** Uses of claims that no claim may see. */
  readonly violations: readonly string[];
}

const outcomeOf = async (run: () => Promise<readonly number[]>, violations: readonly string[]): Promise<Outcome> => {
  let elements: readonly number[] = [];
  let error: unknown;
  const unheard = await unhandledRejections(async () => {
    try {
      elements = (await run()).toSorted((a, b) => a - b);
    } catch (failure) {
      error = failure;
    }
  });
  expect(unheard).to.deep.equal([]);
  return { elements, error, violations };
};

const SURFACES: Readonly<Record<string, (name: string, call: Call) => Promise<Outcome>>> = {
  plain: (name, call) =>
    outcomeOf(() => STAGES[name]!<Source<number>>(Source.from(INPUT), call).runWith(Sink.toArray()), []),
  "with context": (name, call) => {
    const claims = recordingClaims();
    const cells = Source.from(INPUT).map((value): WithClaim<number> => ({ value, claim: claims.open() }));
    const flow = STAGES[name]!<FlowWithContext<number, number>>(FlowWithContext.of<number>(), call);
    const run = (): Promise<readonly number[]> =>
      SourceWithContext.fromSource(cells).via(flow).discardContext().runWith(Sink.toArray());
    return outcomeOf(run, claims.violations);
  },
};

describe("an answer that is no plain promise", () => {
  for (const [surface, outcomeFor] of Object.entries(SURFACES)) {
    for (const name of Object.keys(STAGES)) {
      for (const [kind, call] of Object.entries(RESOLVING)) {
        it(`counts once, with its value, where it ${kind}: ${name}, ${surface}`, async () => {
          expect(await outcomeFor(name, call)).to.deep.equal({ elements: INPUT, error: undefined, violations: [] });
        });
      }
      for (const [kind, call] of Object.entries(REJECTING)) {
        it(`fails the stream with its error where it ${kind}: ${name}, ${surface}`, async () => {
          expect(await outcomeFor(name, call)).to.deep.equal({ elements: [], error: boom, violations: [] });
        });
      }
    }
  }
});

describe("an async iterable whose steps are no plain promises", () => {
  const over = (step: (n: number) => unknown): Promise<readonly number[]> => {
    let n = 0;
    const iterator = { next: () => step(n++) };
    return Source.from({ [Symbol.asyncIterator]: () => iterator } as AsyncIterable<number>).runWith(Sink.toArray());
  };
  const stepOf = (n: number): IteratorResult<number> => (n < 3 ? { done: false, value: n } : { done: true, value: n });

  it("gives each element once where a step settles twice", async () => {
    const elements = await over((n) =>
      thenable((resolve) => {
        resolve(stepOf(n));
        resolve(stepOf(0));
      }),
    );
    expect(elements).to.deep.equal([0, 1, 2]);
  });

  it("takes a step that comes without a promise", async () => {
    expect(await over(stepOf)).to.deep.equal([0, 1, 2]);
  });

  for (const [what, step] of Object.entries<() => unknown>({
    "a step that is thrown": () => {
      throw boom;
    },
    "a step that is none": () => Promise.resolve(undefined),
    "a step that throws when it is looked at": () => ({
      get done(): never {
        throw boom;
      },
    }),
  })) {
    it(`fails the stream, and nobody else, by ${what}`, async () => {
      let failure: unknown;
      const unheard = await unhandledRejections(async () => {
        failure = await over(step).catch((error: unknown) => error);
      });
      expect(failure).to.be.instanceOf(Error);
      expect(unheard).to.deep.equal([]);
    });
  }
});
