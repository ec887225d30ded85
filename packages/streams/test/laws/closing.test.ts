import { Flow, Keep, KillSwitches, Sink, Source } from "@millrace/streams";
import { assertAllClosed, forSeeds, settle, sinkProbe, virtualClock } from "@millrace/streams-testkit";
import type { RunOptions } from "@millrace/streams";
import { expect } from "chai";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

const downstream = new Error("downstream");
const unclosed = new Error("finally");

const failing = (): never => {
  throw downstream;
};

/** What a source notes when it is closed. */
interface Close {
  readonly begin: () => void;
  readonly end: () => void;
}

const asyncGenerator = async function* (close: Close): AsyncGenerator<number> {
  try {
    for (let n = 1; ; n++) yield n;
  } finally {
    close.begin();
    await settle(2);
    close.end();
  }
};

const generator = function* (close: Close): Generator<number> {
  try {
    for (let n = 1; ; n++) yield n;
  } finally {
    close.begin();
    close.end();
  }
};

const handMade = (close: Close): AsyncIterable<number> => {
  let n = 0;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: ++n }),
      return: async () => {
        close.begin();
        await settle(2);
        close.end();
        return { done: true, value: undefined };
      },
    }),
  };
};

/** What a stream may read that has something to close. */
const kinds: Readonly<Record<string, (close: Close) => Source<number>>> = {
  "an async generator": (close) => Source.from(asyncGenerator(close)),
  "an async iterable": (close) => Source.from(handMade(close)),
  "a source that is iterated": (close) => Source.from(Source.from(asyncGenerator(close)).map((n) => n)),
  "a generator": (close) => Source.from(generator(close)),
  "an answer of mapConcat": (close) => Source.single(1).mapConcat(() => generator(close)),
  "an element of groupBy": (close) =>
    Source.single(1)
      .groupBy(1, () => 1)
      .mapConcat(() => generator(close))
      .mergeSubstreams(),
};

type Way = (source: Source<number>, options: RunOptions) => Promise<unknown>;

/** Ways to end a stream early that are no failure. */
const leaving: Readonly<Record<string, Way>> = {
  take: (source, options) => source.take(2).runWith(Sink.ignore, options),
  takeWhile: (source, options) => source.takeWhile((n) => n < 3).runWith(Sink.toArray(), options),
  "Sink.head": (source, options) => source.runWith(Sink.head(), options),
  "take behind mapAsync": (source, options) =>
    source
      .mapAsync(3, async (n) => n)
      .take(2)
      .runWith(Sink.ignore, options),
  "take behind buffer": (source, options) => source.buffer(4, "backpressure").take(2).runWith(Sink.ignore, options),
  "take behind merge": (source, options) =>
    source
      .merge(Source.from([7, 8]))
      .take(5)
      .runWith(Sink.ignore, options),
  "merge behind take": (source, options) => Source.from([7, 8]).merge(source.take(1)).runWith(Sink.ignore, options),
  "concat behind take": (source, options) => source.take(1).concat(Source.single(7)).runWith(Sink.ignore, options),
  "zip with a shorter one": (source, options) => Source.from([7, 8]).zip(source).runWith(Sink.ignore, options),
  "take behind alsoTo": (source, options) => source.alsoTo(Sink.ignore).take(2).take(1).runWith(Sink.head(), options),
  "a kill switch": (source, options) => {
    const [kill, done] = source
      .viaMat(KillSwitches.single(), Keep.right)
      .toMat(
        Sink.forEach((n) => {
          if (n === 2) kill.shutdown();
        }),
        Keep.both,
      )
      .run(options);
    return done;
  },
  break: async (source, options) => {
    for await (const n of source.iterate(options)) if (n === 2) break;
  },
  "break behind mapAsync": async (source, options) => {
    for await (const n of source.mapAsync(3, async (m) => m).iterate(options)) if (n === 2) break;
  },
  "a loop over take": async (source, options) => {
    for await (const _ of source.take(2).iterate(options));
  },
};

/** Ways to end a stream early with `downstream`. */
const failures: Readonly<Record<string, Way>> = {
  map: (source, options) => source.map(failing).runWith(Sink.ignore, options),
  mapAsync: (source, options) => source.mapAsync(2, async () => failing()).runWith(Sink.ignore, options),
  "a sink": (source, options) => source.runWith(Sink.forEach(failing), options),
  "another source": (source, options) =>
    source.zip(Source.from([1]).concat(Source.failed(downstream))).runWith(Sink.ignore, options),
  "the body of a loop": async (source, options) => {
    for await (const _ of source.iterate(options)) failing();
  },
  "a loop over map": async (source, options) => {
    for await (const _ of source.map(failing).iterate(options));
  },
};

const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("closing what is left early", () => {
  for (const [kind, sourceOf] of Object.entries(kinds)) {
    describe(kind, () => {
      const ends = [
        ...Object.entries(leaving).map(([way, run]) => ({ way, run, failure: undefined })),
        ...Object.entries(failures).map(([way, run]) => ({ way: `a failure in ${way}`, run, failure: downstream })),
      ];
      for (const { way, run, failure } of ends) {
        it(`is reported by ${failure ? "nobody" : "the stream"} where it throws: ${way}`, async () => {
          const unheard = await unhandledRejections(() =>
            forSeeds((options) =>
              assertAllClosed(async () => {
                const end = (): never => {
                  throw unclosed;
                };
                expect(await caught(run(sourceOf({ begin: () => undefined, end }), options))).to.equal(
                  failure ?? unclosed,
                );
              }),
            ),
          );
          expect(unheard).to.deep.equal([]);
        });

        it(`is waited for, and done once: ${way}`, () =>
          forSeeds((options) =>
            assertAllClosed(async () => {
              const log: string[] = [];
              const source = sourceOf({ begin: () => log.push("begins"), end: () => log.push("ends") });
              expect(await caught(run(source, options))).to.equal(failure);
              expect(log).to.deep.equal(["begins", "ends"]);
            }),
          ));
      }
    });
  }

  const throwing = (): Source<number> =>
    Source.from(
      asyncGenerator({
        begin: () => undefined,
        end: () => {
          throw unclosed;
        },
      }),
    );

  it("is one unhandled rejection where it throws and nobody looks", async () => {
    const nobody = (block: () => unknown): Promise<readonly unknown[]> =>
      unhandledRejections(() => assertAllClosed(async () => void block()));
    expect(await nobody(() => throwing().take(1).to(Sink.ignore).run())).to.deep.equal([unclosed]);
    expect(await nobody(() => throwing().take(1).alsoTo(Sink.ignore).to(Sink.ignore).run())).to.deep.equal([unclosed]);
    const probed = await nobody(async () => {
      const sink = throwing().runWith(sinkProbe<number>());
      await sink.expectNext(1);
      sink.cancel();
    });
    expect(probed).to.deep.equal([unclosed]);
  });

  it("fails an iterator that is returned twice only once", () =>
    assertAllClosed(async () => {
      const iterator = throwing().iterate();
      await iterator.next();
      const ends = [iterator.return?.(), iterator.return?.()] as const;
      expect(await caught(ends[0] as Promise<unknown>)).to.equal(unclosed);
      expect(await ends[1]).to.deep.equal({ done: true, value: undefined });
      expect(await iterator.next()).to.deep.equal({ done: true, value: undefined });
    }));

  it("comes before the run has drained, whose failure it is", async () => {
    const log: unknown[] = [];
    const drained = Flow.fromStage<number, number>({
      name: "drained",
      create(upstream, run) {
        run.drained.catch((error: unknown) => log.push(error));
        run.onEnd(() => void log.push("finaliser"));
        return upstream;
      },
    });
    await assertAllClosed(() => caught(throwing().via(drained).take(1).runWith(Sink.ignore)));
    expect(log).to.have.members([unclosed, "finaliser"]);
  });

  const killedFromInside: Readonly<Record<string, (kill: () => void, closed: () => void) => Source<number>>> = {
    "a generator": (kill, closed) => Source.from(killing(kill, closed)),
    "an answer of mapConcat": (kill, closed) => Source.single(1).mapConcat(() => killing(kill, closed)),
  };

  for (const [kind, sourceOf] of Object.entries(killedFromInside)) {
    it(`is done behind the element that ended the stream: ${kind}`, () =>
      assertAllClosed(async () => {
        let closed = 0;
        const [kill, done] = sourceOf(
          () => kill.shutdown(),
          () => (closed += 1),
        )
          .viaMat(KillSwitches.single(), Keep.right)
          .toMat(Sink.toArray<number>(), Keep.both)
          .run();
        expect(await done).to.deep.equal([]);
        expect(closed).to.equal(1);
      }));
  }

  describe("an async generator in the midst of an element", () => {
    /** A stream that is killed while its generator waits for `element`. */
    const killedBefore = (element: Promise<void>) => {
      const clock = virtualClock();
      const log: string[] = [];
      const elements = async function* (): AsyncGenerator<number> {
        try {
          await element;
          yield 1;
        } finally {
          await settle(2);
          log.push("closed");
        }
      };
      const [kill, done] = Source.from(elements())
        .viaMat(KillSwitches.single(), Keep.right)
        .toMat(Sink.ignore, Keep.both)
        .run({ clock });
      void done.then(() => log.push("settled"));
      return { clock, log, kill };
    };

    it("is left behind where the element does not come for half a second", () =>
      assertAllClosed(async () => {
        const { clock, log, kill } = killedBefore(new Promise(() => undefined));
        await settle();
        kill.shutdown();
        await settle();
        await clock.advance(499);
        await settle();
        expect(log).to.deep.equal([]);
        await clock.advance(1);
        await settle();
        expect(log).to.deep.equal(["settled"]);
      }));

    it("is waited for as long as it takes once the element has come", () =>
      assertAllClosed(async () => {
        let come = (): void => undefined;
        const { clock, log, kill } = killedBefore(new Promise((resolve) => (come = resolve)));
        await settle();
        kill.shutdown();
        await clock.advance(499);
        come();
        await settle(1);
        await clock.advance(10_000);
        await settle();
        expect(log).to.deep.equal(["closed", "settled"]);
      }));
  });
});

const killing = function* (kill: () => void, closed: () => void): Generator<number> {
  try {
    for (let n = 1; ; n++) {
      if (n === 2) kill();
      yield n;
    }
  } finally {
    closed();
  }
};
