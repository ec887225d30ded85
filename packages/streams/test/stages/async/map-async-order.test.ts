import { Flow, Keep, StreamError } from "@millrace/streams";
import { settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, Calls, eachSeed } from "../../support/runs.js";

describe("mapAsync", () => {
  it("refuses a parallelism its ring of slots could not hold", () => {
    expect(() => Flow.of<number>().mapAsync(2 ** 31, async (n) => n)).to.throw(StreamError, "at most 65536");
  });

  it(
    "emits when the oldest call has its result, however many younger ones have",
    eachSeed(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .mapAsync(3, calls.call)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      sink.request();
      while (calls.started.length < 3) await settle(1);
      calls.resolve(3);
      calls.resolve(2);
      await sink.expectNothing();
      calls.resolve(1);
      await sink.expectNext(1, 2, 3);
      sink.cancel();
    }),
  );

  it(
    "delivers what was ready before a failure",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const error = new Error("third");
      const [source, sink] = sourceProbe<number>()
        .mapAsync(3, calls.call)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      await sink.expectNothing();
      calls.resolve(1);
      calls.resolve(2);
      calls.reject(3, error);
      await sink.expectNext(1, 2);
      expect(await sink.expectError()).to.equal(error);
    }),
  );
});

describe("mapAsyncUnordered", () => {
  it(
    "emits when any call has its result",
    eachSeed(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .mapAsyncUnordered(3, calls.call)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      sink.request();
      while (calls.started.length < 3) await settle(1);
      calls.resolve(3);
      await sink.expectNext(3);
      calls.resolve(1);
      await sink.expectNext(1);
      sink.cancel();
    }),
  );

  it(
    "fills the place of a finished call although an older one is open",
    asItIs(async (options) => {
      const calls = new Calls<number>();
      const [source, sink] = sourceProbe<number>()
        .mapAsyncUnordered(2, calls.call)
        .toMat(sinkProbe<number>(), Keep.both)
        .run(options);
      source.send(1, 2, 3);
      await sink.expectNothing();
      calls.resolve(2);
      await sink.expectNext(2);
      await settle();
      expect(calls.started).to.deep.equal([1, 2, 3]);
      sink.cancel();
    }),
  );
});
