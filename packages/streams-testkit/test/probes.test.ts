import { Keep, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import {
  assertAllClosed,
  ExpectationError,
  settle,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
} from "@millrace/streams-testkit";
import { expect } from "chai";

const connected = (): [SourceProbe<number>, SinkProbe<number>] =>
  sourceProbe<number>().toMat(sinkProbe<number>(), Keep.both).run();

const refusalOf = async (expectation: Promise<unknown>): Promise<string> => {
  const failure: unknown = await expectation.then(
    () => expect.fail("the expectation was met"),
    (error: unknown) => error,
  );
  expect(failure).to.be.instanceOf(ExpectationError);
  return (failure as Error).message;
};

describe("sinkProbe", () => {
  it("fails next() when the stream completes, fails or stays silent", async () => {
    expect(await refusalOf(Source.empty<number>().runWith(sinkProbe<number>()).next())).to.include("was completed");
    const failed = Source.failed<number>(new Error("boom")).runWith(sinkProbe<number>());
    expect(await refusalOf(failed.next())).to.include("failed with Error: boom");
    const [, sink] = connected();
    expect(await refusalOf(sink.next(5))).to.include("within 5 ms");
    sink.cancel();
  });

  it("fails expectNext at the first difference", async () => {
    const sink = Source.from([1, 3]).runWith(sinkProbe<number>());
    expect(await refusalOf(sink.expectNext(1, 2))).to.equal("expected element 2 (number 2 of 2), but got 3");
    await sink.expectComplete();
  });

  it("fails expectComplete and expectError when an element or another end comes", async () => {
    const sink = Source.single(1).runWith(sinkProbe<number>());
    expect(await refusalOf(sink.expectComplete())).to.include("got the elements [1]");
    await sink.expectNext(1);
    expect(await refusalOf(sink.expectError())).to.include("was completed");
  });

  it("fails expectNothing when something comes", async () => {
    const [source, sink] = connected();
    source.send(1);
    expect(await refusalOf(sink.expectNothing())).to.include("got the elements [1]");
    source.complete();
    await sink.expectNext(1);
    expect(await refusalOf(sink.expectNothing())).to.include("was completed");
  });

  it("asks for nothing by itself", async () => {
    const [source, sink] = connected();
    await source.expectNoPull();
    expect(source.demand).to.equal(false);
    sink.cancel();
  });

  it("compares structures", async () => {
    const values = [{ a: [1, new Set([2])] }, new Map([["k", 1]])];
    const sink = Source.from(structuredClone(values)).runWith(sinkProbe<unknown>());
    await sink.expectNext(...values);
    await sink.expectComplete();
  });

  it("gives the rest, or the failure before it", async () => {
    expect(await Source.from([1, 2, 3]).runWith(sinkProbe<number>()).rest()).to.deep.equal([1, 2, 3]);
    const sink = Source.single(1)
      .concat(Source.failed<number>(new Error("boom")))
      .runWith(sinkProbe<number>());
    expect(await refusalOf(sink.rest())).to.include("Error: boom");
    expect(sink.received).to.deep.equal([1]);
  });
});

describe("sourceProbe", () => {
  it("fails expectPull and expectCancel when downstream does neither", async () => {
    const [source, sink] = connected();
    expect(await refusalOf(source.expectPull(5))).to.include("expected downstream to ask");
    expect(await refusalOf(source.expectCancel(5))).to.include("expected downstream to cancel");
    sink.cancel();
  });

  it("fails expectNoPull when downstream asks", async () => {
    const [source, sink] = connected();
    sink.request();
    expect(await refusalOf(source.expectNoPull())).to.include("asked 1 times");
    sink.cancel();
  });

  it("sends single elements and chunks on demand, then fails", async () => {
    const [source, sink] = connected();
    sink.request();
    await source.expectPull();
    source.send(1, 2);
    source.sendChunk([3, 4]);
    const error = new Error("boom");
    source.fail(error);
    expect(await sink.nextChunk()).to.deep.equal([1]);
    expect(await sink.nextChunk()).to.deep.equal([2]);
    expect(await sink.nextChunk()).to.deep.equal([3, 4]);
    expect(await sink.expectError()).to.equal(error);
  });

  it("reports the cause of a cancellation", async () => {
    const [source, sink] = connected();
    source.send(1);
    sink.cancel();
    expect(await source.expectCancel()).to.equal(NO_MORE_ELEMENTS);
    expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
  });
});

describe("assertAllClosed", () => {
  it("fails, with the count, while a stream is open", async () => {
    const open: SinkProbe<number>[] = [];
    const message = await refusalOf(
      assertAllClosed(async () => {
        open.push(connected()[1], connected()[1]);
      }),
    );
    expect(message).to.include("2 of those started still run");
    for (const sink of open) sink.cancel();
    await settle();
  });

  it("answers what the block answers once everything has ended", async () => {
    expect(await assertAllClosed(() => Source.single(1).runWith(Sink.head()))).to.equal(1);
  });
});
