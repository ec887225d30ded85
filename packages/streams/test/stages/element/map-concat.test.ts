import { Flow, Keep, Sink, Source, Supervision } from "@millrace/streams";
import { assertAllClosed, forSeeds, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton, outcomeOf } from "../../support/operator-skeleton.js";

describe("mapConcat", () => {
  operatorSkeleton<number, number>({
    name: "mapConcat",
    flow: () => Flow.of<number>().mapConcat((n) => [n, n * 10]),
    input: [1, 2, 3],
    output: [1, 10, 2, 20, 3, 30],
    outputOfOne: [1, 10],
    throwing: {
      flow: (check) =>
        Flow.of<number>().mapConcat((n) => {
          check(n);
          return [n, n * 10];
        }),
      at: 1,
      delivered: [1, 10],
      resumed: [1, 10, 3, 30],
    },
  });

  function* failingAfterTwo(n: number, error: Error): Iterable<number> {
    yield n;
    yield n * 10;
    if (n === 2) throw error;
  }

  it("delivers what an answer gave before it failed", () =>
    forSeeds(async (options) => {
      const error = new Error("boom");
      const source = Source.from([1, 2, 3]).mapConcat((n) => failingAfterTwo(n, error));
      expect(await outcomeOf(source, options)).to.deep.equal({ delivered: [1, 10, 2, 20], failure: error });
    }));

  it("keeps what an answer gave before it failed when the decider says resume", () =>
    forSeeds(async (options) => {
      const source = Source.from([1, 2, 3])
        .mapConcat((n) => failingAfterTwo(n, new Error("boom")))
        .withAttributes({ supervision: Supervision.resumingDecider });
      expect(await source.runWith(Sink.toArray(), options)).to.deep.equal([1, 10, 2, 20, 3, 30]);
    }));

  it("goes on over empty answers", () =>
    forSeeds(async (options) => {
      const source = Source.from([1, 2, 3]).mapConcat((n) => (n === 2 ? ["two"] : []));
      expect(await source.runWith(Sink.toArray(), options)).to.deep.equal(["two"]);
    }));

  it("takes no more of an endless answer than downstream asks for, and closes it", () =>
    forSeeds(async (options) => {
      let closed = 0;
      function* endless(): Generator<number> {
        try {
          for (let n = 0; ; n++) yield n;
        } finally {
          closed += 1;
        }
      }
      const source = Source.single("go").mapConcat(endless).take(3);
      expect(await assertAllClosed(() => source.runWith(Sink.toArray(), options))).to.deep.equal([0, 1, 2]);
      expect(closed).to.equal(1);
    }));

  it("completes only after the last answer, although upstream has completed", () =>
    forSeeds(async (options) => {
      const [source, sink] = sourceProbe<number>()
        .mapConcat((n) => [n, n + 1])
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1);
      source.complete();
      await sink.expectNext(1, 2);
      await sink.expectComplete();
    }));
});
