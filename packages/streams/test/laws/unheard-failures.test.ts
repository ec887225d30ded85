import {
  Flow,
  FlowWithContext,
  Join,
  Keep,
  type KillSwitch,
  KillSwitches,
  Sink,
  Source,
  SourceWithContext,
  type WithClaim,
} from "@millrace/streams";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

const boom = new Error("boom");
const second = (n: number): number => {
  if (n === 2) throw boom;
  return n;
};
const source = Source.from([1, 2, 3]);
const numbers = Flow.of<number>();
const always = (): boolean => true;
const never = (): boolean => false;
const toIgnore = numbers.map(second).to(Sink.ignore);
const toIgnoreMat = numbers.map(second).toMat(Sink.ignore, Keep.right);
const both = <L, R>(left: L, right: R): readonly [L, R] => [left, right];

const claim = { share: () => undefined, end: () => undefined, at: () => undefined };
const followed = SourceWithContext.fromSource(source.map((value) => ({ value, claim })));
const followedFlow = FlowWithContext.of<number>();
const closing = {
  withContext: {
    sink: Sink.ignore as unknown as Sink<WithClaim<number>, Promise<void>>,
    attributes: {},
  },
};

/** Ways to run a graph that fails with `boom`, and what there is of it to look at. */
const ways: Readonly<Record<string, () => readonly Promise<unknown>[]>> = {
  to: () => (source.map(second).to(Sink.ignore).run(), []),
  "toMat, Keep.left": () => (source.map(second).toMat(Sink.ignore, Keep.left).run(), []),
  "toMat, Keep.none": () => (source.map(second).toMat(Sink.ignore, Keep.none).run(), []),
  "toMat, Keep.right": () => [source.map(second).toMat(Sink.ignore, Keep.right).run()],
  "toMat, Keep.both": () => [source.map(second).toMat(Sink.ignore, Keep.both).run()[1]],
  "a combination of one's own": () => (
    source
      .map(second)
      .toMat(Sink.ignore, () => "dropped")
      .run(),
    []
  ),
  runWith: () => [source.map(second).runWith(Sink.toArray())],
  "a sink with a head": () => [source.map(second).drop(1).runWith(Sink.head())],
  "a sink that throws": () => [source.runWith(Sink.forEach((n) => void second(n)))],
  mapAsync: () => [source.mapAsync(2, (n) => Promise.resolve().then(() => second(n))).runWith(Sink.ignore)],
  groupBy: () => [
    source
      .groupBy(3, (n) => n)
      .map(second)
      .mergeSubstreams()
      .runWith(Sink.ignore),
  ],
  "watchTermination before the failure, to": () => [
    source.watchTermination(Keep.right).map(second).to(Sink.ignore).run(),
  ],
  "watchTermination behind the failure, to": () => [
    source.map(second).watchTermination(Keep.right).to(Sink.ignore).run(),
  ],
  "watchTermination and a sink": () => source.map(second).watchTermination(Keep.right).toMat(Sink.ignore, both).run(),
  "alsoTo, main fails": () => [source.map(second).alsoTo(Sink.ignore).runWith(Sink.ignore)],
  "alsoTo, branch fails": () => [source.alsoTo(toIgnore).runWith(Sink.ignore)],
  "alsoTo, branch fails, to": () => (source.alsoTo(toIgnore).to(Sink.ignore).run(), []),
  "alsoToMat, branch fails": () => source.alsoToMat(toIgnoreMat, Keep.right).toMat(Sink.ignore, both).run(),
  "divertTo, main fails": () => [source.map(second).divertTo(Sink.ignore, never).runWith(Sink.ignore)],
  "divertTo, branch fails": () => [source.divertTo(toIgnore, always).runWith(Sink.ignore)],
  "divertToMat, branch fails": () => source.divertToMat(toIgnoreMat, always, Keep.right).toMat(Sink.ignore, both).run(),
  "alsoTo in alsoTo": () => [source.alsoTo(numbers.alsoTo(toIgnore).to(Sink.ignore)).runWith(Sink.ignore)],
  "broadcast and merge": () => [source.broadcast([numbers, numbers.map(second)], Join.merge()).runWith(Sink.ignore)],
  iterate: () => [source.map(second).drop(1).iterate().next()],
  "iterate, branch fails": () => [source.alsoTo(toIgnore).drop(3).iterate().next()],
  "with context, main fails": () => [followed.map(second).toMat(closing, Keep.right).run()],
  "with context, to": () => (followed.map(second).to(closing).run(), []),
  "with context, alsoTo fails": () => [followed.alsoTo(followedFlow.map(second)).toMat(closing, Keep.right).run()],
  "with context, divertTo fails": () => [
    followed.divertTo(followedFlow.map(second), always).toMat(closing, Keep.right).run(),
  ],
  "with context, watchTermination": () => [followed.map(second).watchTermination(Keep.right).to(closing).run()],
  "a sink of somebody else": () => [
    source.map(second).runWith(
      Sink.fromStage<number, Promise<void>>({
        name: "else",
        create: (upstream) =>
          new Promise((_, reject) => {
            const pull = (): void => {
              try {
                for (;;) if (typeof upstream.pull(pull) === "symbol") return;
              } catch (error) {
                reject(error);
              }
            };
            queueMicrotask(pull);
          }),
      }),
    ),
  ],
};

/** Ways to look at a promise. */
const looks: Readonly<Record<string, (promise: Promise<unknown>) => unknown>> = {
  catch: (promise) => promise.catch(() => undefined),
  then: (promise) =>
    promise.then(
      () => undefined,
      () => undefined,
    ),
  finally: (promise) => promise.finally(() => undefined).catch(() => undefined),
  await: async (promise) => {
    try {
      await promise;
    } catch {
      // Heard of.
    }
  },
  allSettled: (promise) => Promise.allSettled([promise]),
  "Promise.resolve": (promise) => Promise.resolve(promise).catch(() => undefined),
  "an async function that answers it": (promise) => (async () => promise)().catch(() => undefined),
};

describe("a failure", () => {
  for (const [way, run] of Object.entries(ways)) {
    it(`is one unhandled rejection where nobody looks: ${way}`, async () => {
      expect(await unhandledRejections(async () => void run())).to.deep.equal([boom]);
    });

    it(`is none where anything is looked at: ${way}`, async () => {
      const count = (await unhandledRejectionsOf(run)).length;
      for (let looked = 0; looked < count; looked++) {
        const unheard = await unhandledRejections(async () => {
          const error = await run()[looked]?.catch((reason: unknown) => reason);
          expect(error).to.equal(boom);
        });
        expect(unheard, `promise ${looked}`).to.deep.equal([]);
      }
    });
  }

  /** What there is to look at, all of it looked at. */
  const unhandledRejectionsOf = async (run: () => readonly Promise<unknown>[]): Promise<readonly unknown[]> => {
    let promises: readonly Promise<unknown>[] = [];
    await unhandledRejections(async () => {
      promises = run();
      await Promise.allSettled(promises);
    });
    return promises;
  };

  for (const [look, at] of Object.entries(looks)) {
    it(`is heard of by ${look}, and what is materialised is a promise`, async () => {
      const unheard = await unhandledRejections(async () => {
        const promise = source.map(second).runWith(Sink.ignore);
        expect(promise).to.be.instanceOf(Promise);
        at(promise);
        await settle();
      });
      expect(unheard).to.deep.equal([]);
    });
  }

  it("is unhandled once where what was derived of a promise is dropped", async () => {
    const unheard = await unhandledRejections(
      async () =>
        void source
          .map(second)
          .runWith(Sink.ignore)
          .then(() => 1),
    );
    expect(unheard).to.deep.equal([boom]);
  });

  it("is heard of by whoever looks in the turn in which the stream ends", async () => {
    const unheard = await unhandledRejections(async () => {
      const promise = source.map(second).runWith(Sink.ignore);
      for (let tick = 0; tick < 6; tick++) await Promise.resolve();
      await promise.catch(() => undefined);
    });
    expect(unheard).to.deep.equal([]);
  });

  it("is heard of where recover answers it with an element, though a branch failed with it", async () => {
    const unheard = await unhandledRejections(async () => {
      const elements = await source
        .alsoTo(toIgnore)
        .filter(never)
        .recover(() => 0)
        .runWith(Sink.toArray());
      expect(elements).to.deep.equal([0]);
    });
    expect(unheard).to.deep.equal([]);
  });

  it("is unhandled where a branch fails after its stream has ended well", async () => {
    let fail = (_error: unknown): void => undefined;
    const late = numbers.mapAsync(
      1,
      () =>
        new Promise<number>((_, reject) => {
          fail = reject;
        }),
    );
    const unheard = await unhandledRejections(async () => {
      expect(await Source.single(1).alsoTo(late.to(Sink.ignore)).runWith(Sink.toArray())).to.deep.equal([1]);
      fail(boom);
    });
    expect(unheard).to.deep.equal([boom]);
  });
});

describe("a second failure of a stream", () => {
  const following = new Error("following");
  const renamed = numbers
    .recover(() => {
      throw following;
    })
    .toMat(Sink.ignore, Keep.right);
  const run = (): readonly [branch: Promise<void>, main: Promise<void>] =>
    source.map(second).alsoToMat(renamed, Keep.right).toMat(Sink.ignore, both).run();

  /** The rejections that nobody has heard of, and the errors that were logged. */
  const toldOf = async (
    block: () => Promise<unknown>,
  ): Promise<{ readonly unheard: readonly unknown[]; readonly logged: readonly unknown[] }> => {
    const { error } = console;
    const logged: unknown[] = [];
    console.error = (_message: unknown, fields: { readonly error: unknown }) => void logged.push(fields.error);
    try {
      const unheard = await unhandledRejections(async () => {
        await block();
        await settle();
      });
      return { unheard, logged };
    } finally {
      console.error = error;
    }
  };

  it("is as unheard of as the first where nobody looks", async () => {
    const { unheard, logged } = await toldOf(async () => run());
    expect(unheard).to.have.members([boom, following]).and.to.have.length(2);
    expect(logged).to.deep.equal([]);
  });

  it("does not stand for the first, of which nobody has heard", async () => {
    const { unheard, logged } = await toldOf(() => run()[0].catch(() => undefined));
    expect(unheard).to.deep.equal([boom]);
    expect(logged).to.deep.equal([]);
  });

  it("is logged, and ends no process, where the first was heard of", async () => {
    const { unheard, logged } = await toldOf(() => run()[1].catch(() => undefined));
    expect(unheard).to.deep.equal([]);
    expect(logged).to.deep.equal([following]);
  });

  it("is logged where the first is looked at in the turn in which the stream ends", async () => {
    const { unheard, logged } = await toldOf(async () => {
      const [, main] = run();
      for (let tick = 0; tick < 12; tick++) await Promise.resolve();
      await main.catch(() => undefined);
      await main.catch(() => undefined);
    });
    expect(unheard).to.deep.equal([]);
    expect(logged).to.deep.equal([following]);
  });

  it("is not logged where it is looked at after the first", async () => {
    const { unheard, logged } = await toldOf(async () => {
      for (const promise of [...run()].reverse()) await promise.catch(() => undefined);
    });
    expect(unheard).to.deep.equal([]);
    expect(logged).to.deep.equal([]);
  });

  it("is not logged where it was heard of as well", async () => {
    const { unheard, logged } = await toldOf(() => Promise.allSettled(run()));
    expect(unheard).to.deep.equal([]);
    expect(logged).to.deep.equal([]);
  });

  it("is the first where the one before failed nothing, as recover has answered it", async () => {
    const atTheEnd = numbers
      .fold(0, (sum, n) => sum + n)
      .map(() => {
        throw following;
      });
    const { unheard, logged } = await toldOf(() =>
      source
        .map(second)
        .recover(() => 0)
        .alsoTo(atTheEnd.to(Sink.ignore))
        .runWith(Sink.ignore),
    );
    expect(unheard).to.deep.equal([following]);
    expect(logged).to.deep.equal([]);
  });
});

describe("KillSwitch.abort", () => {
  const endless = Source.unfold(0, (n: number) => [n + 1, n]).viaMat(KillSwitches.single<number>(), Keep.right);
  const graphs: Readonly<Record<string, () => KillSwitch>> = {
    to: () => endless.to(Sink.ignore).run(),
    "toMat, Keep.both": () => endless.toMat(Sink.ignore, Keep.both).run()[0],
    alsoTo: () => endless.alsoTo(Sink.ignore).to(Sink.ignore).run(),
  };
  for (const [way, run] of Object.entries(graphs)) {
    it(`is known to who calls it: ${way}`, async () => {
      const unheard = await unhandledRejections(async () => {
        const killSwitch = run();
        await settle();
        killSwitch.abort(boom);
      });
      expect(unheard).to.deep.equal([]);
    });
  }
});
