import { Sink, Source } from "@millrace/streams";
import { sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, eachSeed } from "../../support/runs.js";

describe("Source.unfold", () => {
  it(
    "fails with what its function throws, after the elements before it",
    eachSeed(async (options) => {
      const error = new Error("three");
      const sink = Source.unfold(0, (n) => {
        if (n === 3) throw error;
        return [n + 1, n];
      }).runWith(sinkProbe<number>(), options);
      await sink.expectNext(0, 1, 2);
      expect(await sink.expectError()).to.equal(error);
    }),
  );

  it(
    "calls its function no more once it is cancelled",
    asItIs(async (options) => {
      let calls = 0;
      const source = Source.unfold(0, (n) => {
        calls += 1;
        return [n + 1, n];
      }).withAttributes({ chunkElements: 4 });
      expect(await source.take(5).runWith(Sink.toArray(), options)).to.deep.equal([0, 1, 2, 3, 4]);
      expect(calls).to.equal(8);
    }),
  );

  it(
    "completes when its function answers undefined, at once if need be",
    eachSeed(async (options) => {
      const upTo = (end: number): Source<number> => Source.unfold(0, (n) => (n < end ? [n + 1, n] : undefined));
      expect(await upTo(3).runWith(Sink.toArray(), options)).to.deep.equal([0, 1, 2]);
      expect(await upTo(0).runWith(Sink.toArray(), options)).to.deep.equal([]);
    }),
  );

  it("begins at its zero for every run", async () => {
    const source = Source.unfold(1, (n) => (n < 100 ? [n * 3, n] : undefined));
    expect(await source.runWith(Sink.toArray())).to.deep.equal([1, 3, 9, 27, 81]);
    expect(await source.runWith(Sink.toArray())).to.deep.equal([1, 3, 9, 27, 81]);
  });

  it(
    "may emit undefined",
    eachSeed(async (options) => {
      const source = Source.unfold(0, (n) => (n < 2 ? [n + 1, undefined] : undefined));
      expect(await source.runWith(Sink.toArray(), options)).to.deep.equal([undefined, undefined]);
    }),
  );
});
