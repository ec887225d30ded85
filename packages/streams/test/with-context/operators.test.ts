import {
  FlowWithContext,
  Join,
  Keep,
  KillSwitches,
  Source,
  SourceWithContext,
  StreamError,
  type WithClaim,
} from "@millrace/streams";
import { assertAllClosed, forSeeds, settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { latch } from "../support/runs.js";
import { recordingClaims, type RecordingClaims } from "./recording-claims.js";

const numbers = (): FlowWithContext<number, number> => FlowWithContext.of<number>();
const countTo = (n: number): readonly number[] => Array.from({ length: n }, (_, index) => index);

const BY_BUFFER = { outcome: "discarded", reason: "dropped by buffer" };

/** Runs the numbers below `count` through the flow, once per way of chunking. */
const each = (
  count: number,
  flow: FlowWithContext<number, unknown, unknown>,
  verify: (claims: RecordingClaims, output: readonly unknown[], failure: unknown) => void,
): Promise<void> =>
  forSeeds(async (options) => {
    const claims = recordingClaims();
    const graph = claims.source(countTo(count)).via(flow).toMat(claims.sink<unknown>(), Keep.right);
    let failure: unknown;
    await assertAllClosed(() => graph.run(options).catch((error: unknown) => void (failure = error)));
    verify(
      claims,
      claims.arrived.map(({ value }) => value),
      failure,
    );
    expect(claims.violations).to.deep.equal([]);
  });

const reasonsOf = (claims: RecordingClaims): readonly (string | undefined)[] =>
  countTo(claims.size).map((id) => claims.endOf(id)?.reason);

describe("what is dropped, is discarded with the reason", () => {
  it("filter, filterNot and collect", async () => {
    const reason = async (flow: FlowWithContext<number, unknown>): Promise<void> =>
      each(2, flow, (claims) => {
        expect(claims.get(0).ends).to.deep.equal([]);
        expect(claims.endOf(1)?.outcome).to.equal("discarded");
      });
    await reason(numbers().filter((n) => n === 0));
    await reason(numbers().filterNot((n) => n === 1));
    await reason(numbers().collect((n) => (n === 0 ? n : undefined)));
    await each(
      1,
      numbers().filter(() => false),
      (claims) => {
        expect(reasonsOf(claims)).to.deep.equal(["filtered by filter"]);
      },
    );
  });

  it("naming the stage as the graph does", () =>
    each(
      1,
      numbers()
        .filter(() => false)
        .withAttributes({ name: "known customers" }),
      (claims) => {
        expect(reasonsOf(claims)).to.deep.equal(["filtered by known customers (filter)"]);
      },
    ));

  it("drop", () =>
    each(3, numbers().drop(2), (claims, output) => {
      expect(output).to.deep.equal([2]);
      expect(reasonsOf(claims)).to.deep.equal(["left out by drop", "left out by drop", undefined]);
    }));

  for (const [strategy, dropped] of [
    ["dropHead", [1, 2]],
    ["dropTail", [2, 3]],
    ["dropBuffer", [1, 2]],
    ["dropNew", [3, 4]],
  ] as const) {
    it(`a buffer that does ${strategy}`, async () => {
      const claims = recordingClaims();
      const held = latch<number>();
      const [queue, done] = SourceWithContext.fromSource(Source.queue<WithClaim<number>>(8))
        .buffer(2, strategy)
        .mapAsync(1, (n) => (n === 0 ? held.promise : n))
        .toMat(claims.sink<number>(), Keep.both)
        .run();
      for (const value of countTo(5)) {
        queue.offer({ value, claim: claims.open() });
        await settle();
      }
      expect(claims.ended().map(({ id }) => id)).to.deep.equal(dropped);
      for (const id of dropped) expect(claims.get(id).ends).to.deep.equal([BY_BUFFER]);
      held.resolve(0);
      queue.complete();
      await done;
      expect(claims.ended()).to.have.length(2);
    });
  }
});

describe("mapConcat", () => {
  it("keeps its own share while an endless answer goes on, and open when downstream has enough", async () => {
    const claims = recordingClaims();
    function* endless(n: number): Iterable<number> {
      for (;;) yield n;
    }
    const flow = numbers().mapConcat(endless).take(700);
    await claims.source([0]).via(flow).toMat(claims.sink<number>(), Keep.right).run();
    for (let index = 0; index < 700; index++) claims.end(index);
    expect(claims.get(0).ended).to.equal(false);
    expect(claims.violations).to.deep.equal([]);
  });

  for (const [how, nothing] of [
    ["at once", []],
    ["step by step", new Set<number>()],
  ] as const) {
    it(`has dealt with an element for which it gives nothing ${how}`, () =>
      each(
        1,
        numbers().mapConcat(() => nothing),
        (claims) => expect(claims.get(0).ends).to.deep.equal([{ outcome: "processed", reason: undefined }]),
      ));

    it(`has dealt with all elements of a group for which it gives nothing ${how}`, () =>
      each(
        2,
        numbers()
          .grouped(2)
          .mapConcat(() => nothing),
        (claims) => {
          for (const id of [0, 1]) expect(claims.endOf(id)?.outcome).to.equal("processed");
        },
      ));
  }

  it("lets its outputs decide the outcome", async () => {
    const claims = recordingClaims();
    const flow = numbers().mapConcat((n) => new Set([n, n + 1]));
    await claims.source([0]).via(flow).toMat(claims.sink<number>(), Keep.right).run();
    claims.arrived[0]?.claim.end("parked");
    claims.arrived[1]?.claim.end("discarded", "not wanted");
    expect(claims.get(0).ends.map(({ outcome }) => outcome)).to.not.include("processed");
    expect(claims.get(0).ended).to.equal(true);
  });
});

describe("take and takeWhile", () => {
  it("leave the rest open when they complete the stream", () =>
    each(10, numbers().take(3), (claims, output) => {
      expect(output).to.deep.equal([0, 1, 2]);
      expect(claims.ended()).to.deep.equal([]);
    }));

  it("discard the rest in a group, whose stream goes on", () =>
    each(
      6,
      numbers()
        .groupBy(2, (n) => n % 2)
        .take(1)
        .mergeSubstreams(),
      (claims, output) => {
        expect(output).to.have.members([0, 1]);
        expect(claims.openIds()).to.deep.equal([0, 1]);
        expect(claims.endOf(5)?.reason).to.equal("left out by take");
      },
    ));

  it("discard all that follows the first that does not hold, itself included or not", async () => {
    const inGroup = (inclusive: boolean): FlowWithContext<number, number> =>
      numbers()
        .groupBy(1, () => 0)
        .takeWhile((n) => n % 3 < 2, { inclusive })
        .mergeSubstreams();
    await each(9, inGroup(false), (_, output) => expect(output).to.deep.equal([0, 1]));
    await each(9, inGroup(true), (claims, output) => {
      expect(output).to.deep.equal([0, 1, 2]);
      expect(claims.openIds()).to.deep.equal([0, 1, 2]);
      expect(claims.endOf(3)?.reason).to.equal("left out by takeWhile");
    });
  });

  it("discard the rest in a branch, also inside another flow", () =>
    each(
      6,
      numbers().broadcast([numbers().via(numbers().takeWhile((n) => n < 1)), numbers()], Join.merge()),
      (claims, output) => {
        expect(output).to.have.length(7);
        expect(claims.get(0).openShares).to.equal(2);
        expect(claims.get(5).openShares).to.equal(1);
      },
    ));

  it("complete a source that joins a branch from outside", () => {
    const claims = recordingClaims();
    const other = claims.source(countTo(1_000_000), 4).take(2);
    return each(3, numbers().broadcast([numbers().merge(other), numbers()], Join.merge()), (_, output) => {
      expect(output).to.have.length(8);
    });
  });
});

describe("groupBy", () => {
  it("fails when a group completes before its elements do", () =>
    each(
      4,
      numbers()
        .groupBy(1, () => 0)
        .zip(SourceWithContext.fromSource(Source.empty<WithClaim<number>>()))
        .mergeSubstreams(),
      (claims, _, failure) => {
        expect(failure).to.be.instanceOf(StreamError);
        expect((failure as StreamError).message).to.contain("a group completed before its elements did");
        expect(claims.ended()).to.deep.equal([]);
      },
    ));

  it("shows the groups' operators in a description", () => {
    const graph = recordingClaims()
      .source([1])
      .groupBy(1, () => 0)
      .map((n) => n)
      .mergeSubstreams()
      .to(recordingClaims().sink<number>());
    expect(graph.describe()).to.contain("map <- groupBy\nmergeSubstreams <- map");
  });

  it("refuses a bad bound while the graph is built", () => {
    expect(() => numbers().groupBy(0, (n) => n)).to.throw("groupBy: maxSubstreams must be a whole number >= 1");
  });
});

describe("forks", () => {
  it("end with the first branch that ends, and leave the rest open", () =>
    each(
      100,
      numbers().broadcast(
        [
          numbers(),
          numbers()
            .zip(SourceWithContext.fromSource(Source.empty<WithClaim<number>>()))
            .map(([n]) => n),
        ],
        Join.merge(),
      ),
      (claims, output) => {
        expect(claims.ended()).to.deep.equal([]);
        expect(output.length).to.be.at.most(100);
      },
    ));

  it("give each branch an element of its own", () =>
    each(
      3,
      numbers().broadcast([numbers().map((n) => n * 10), numbers().map((n) => -n)], Join.zip<number>()),
      (_, output) => {
        expect(output).to.deep.equal([
          [0, -0],
          [10, -1],
          [20, -2],
        ]);
      },
    ));

  it("refuse a join that does not say what becomes of the claims", () => {
    const join = { junction: { name: "own", create: () => undefined as never } };
    expect(() => numbers().broadcast([numbers()], join)).to.throw("broadcast: join must be Join.merge() or Join.zip()");
    expect(() => numbers().partition([numbers()], () => 0, join)).to.throw("partition: join must be");
  });

  it("count as processed what comes to the end beside the stream", async () => {
    await each(
      4,
      numbers().divertTo(
        numbers().filter((n) => n !== 0),
        (n) => n % 2 === 0,
      ),
      (claims, output) => {
        expect(output).to.deep.equal([1, 3]);
        expect(claims.endOf(0)).to.deep.equal({ outcome: "discarded", reason: "filtered by filter" });
        expect(claims.endOf(2)).to.deep.equal({ outcome: "processed", reason: undefined });
        expect(claims.openIds()).to.deep.equal([1, 3]);
      },
    );
    await each(2, numbers().alsoTo(numbers()), (claims) => {
      expect(countTo(2).map((id) => claims.get(id).openShares)).to.deep.equal([1, 1]);
    });
  });

  it("fail the stream when a branch beside it fails, and nobody is left with a rejection", () => {
    const boom = new Error("boom");
    const failing = numbers().map((): number => {
      throw boom;
    });
    return each(3, numbers().alsoTo(failing), (claims, _, failure) => {
      expect(failure).to.equal(boom);
      expect(claims.ended()).to.deep.equal([]);
    });
  });

  it("hand the materialised value of the branch on", async () => {
    const claims = recordingClaims();
    const side = numbers().watchTermination(Keep.right);
    const graph = claims.source([1]).alsoToMat(side, Keep.right).toMat(claims.sink<number>(), Keep.left);
    await graph.run();
  });
});

describe("sources that are joined with context", () => {
  for (const operator of ["mergeMat", "concatMat", "zipMat"] as const) {
    it(`${operator} materialises what combine makes of both`, async () => {
      const claims = recordingClaims();
      const joined: SourceWithContext<unknown, [unknown, unknown]> = claims
        .source([1])
        .mapMaterializedValue(() => "left")
        [operator](
          claims.source([2]).mapMaterializedValue(() => "right"),
          Keep.both,
        );
      const [mats, done] = joined.toMat(claims.sink<unknown>(), Keep.both).run();
      await done;
      expect(mats).to.deep.equal(["left", "right"]);
    });
  }
});

describe("stages that hold elements", () => {
  it("say so to the claims", async () => {
    const claims = recordingClaims();
    const [stop, done] = claims
      .source([0])
      .concat(SourceWithContext.fromSource(Source.queue<WithClaim<number>>(1)))
      .viaMat(FlowWithContext.fromFlow(KillSwitches.single<WithClaim<number>>()), Keep.right)
      .grouped(2)
      .withAttributes({ name: "pairs" })
      .toMat(claims.sink<readonly number[]>(), Keep.both)
      .run();
    await settle();
    expect(claims.get(0).place).to.equal("pairs (grouped)");
    stop.shutdown();
    await done;
  });

  it("leave open what they hold when the stream is aborted", async () => {
    const claims = recordingClaims();
    const held = latch<number>();
    const [stop, done] = claims
      .source(countTo(20), 4)
      .buffer(8)
      .mapAsync(2, () => held.promise)
      .grouped(100)
      .viaMat(FlowWithContext.fromFlow(KillSwitches.single<WithClaim<readonly number[]>>()), Keep.right)
      .toMat(claims.sink<readonly number[]>(), Keep.both)
      .run();
    await settle();
    const boom = new Error("boom");
    stop.abort(boom);
    expect(await done.catch((error: unknown) => error)).to.equal(boom);
    held.resolve(0);
    await settle();
    expect(claims.ended()).to.deep.equal([]);
  });
});
