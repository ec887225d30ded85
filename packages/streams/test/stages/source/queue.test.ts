import { type BoundedSourceQueue, Keep, Sink, Source, StreamError } from "@millrace/streams";
import { type SinkProbe, settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { asItIs, eachSeed } from "../../support/runs.js";

const graph = Source.queue<number>(3).toMat(sinkProbe<number>(), Keep.both);

describe("Source.queue", () => {
  it("refuses a bound that is no positive whole number when the graph is built", () => {
    for (const bound of [0, -1, 1.5, Number.POSITIVE_INFINITY]) {
      expect(() => Source.queue(bound)).to.throw(StreamError, "queue: bound must be");
    }
  });

  it(
    "drops what is offered beyond its bound, and says so",
    asItIs(async (options) => {
      const [queue, sink] = graph.run(options);
      expect([1, 2, 3, 4].map((n) => queue.offer(n))).to.deep.equal(["enqueued", "enqueued", "enqueued", "dropped"]);
      expect(queue.size).to.equal(3);
      await sink.expectNext(1, 2, 3);
      expect(queue.size).to.equal(0);
      expect(queue.offer(5)).to.equal("enqueued");
      await sink.expectNext(5);
      sink.cancel();
    }),
  );

  const endings: readonly (readonly [string, (queue: BoundedSourceQueue<number>, sink: SinkProbe<number>) => void])[] =
    [
      ["completed", (queue) => queue.complete()],
      ["failed", (queue) => queue.fail(new Error("end"))],
      ["cancelled", (_queue, sink) => sink.cancel()],
    ];
  for (const [name, end] of endings) {
    it(
      `answers closed once it was ${name}`,
      eachSeed(async (options) => {
        const [queue, sink] = graph.run(options);
        await sink.expectNothing();
        end(queue, sink);
        expect(queue.offer(1)).to.equal("closed");
        await settle();
        expect(queue.offer(2)).to.equal("closed");
        expect(queue.size).to.equal(0);
        expect(sink.received).to.deep.equal([]);
      }),
    );
  }

  it(
    "fails after what is queued, with the error given",
    eachSeed(async (options) => {
      const [queue, sink] = graph.run(options);
      const error = new Error("end");
      queue.offer(1);
      queue.fail(error);
      queue.complete();
      await sink.expectNext(1);
      expect(await sink.expectError()).to.equal(error);
    }),
  );

  it(
    "completes after what is queued",
    eachSeed(async (options) => {
      const [queue, sink] = graph.run(options);
      queue.offer(1);
      queue.offer(2);
      queue.complete();
      queue.fail(new Error("too late"));
      expect(await sink.rest()).to.deep.equal([1, 2]);
    }),
  );

  it(
    "lets go of what is queued when it is cancelled",
    asItIs(async (options) => {
      const [queue, sink] = graph.run(options);
      queue.offer(1);
      sink.cancel();
      expect(queue.size).to.equal(0);
    }),
  );

  it(
    "hands over what was offered in one turn as one chunk, in order",
    asItIs(async (options) => {
      const [queue, sink] = graph.run(options);
      await sink.expectNothing();
      queue.offer(1);
      queue.offer(2);
      expect(await sink.nextChunk()).to.deep.equal([1, 2]);
      sink.cancel();
    }),
  );

  it(
    "never runs downstream's code inside offer",
    asItIs(async (options) => {
      const seen: number[] = [];
      const [queue, end] = Source.queue<number>(3)
        .toMat(
          Sink.forEach((n: number) => void seen.push(n)),
          Keep.both,
        )
        .run(options);
      await settle();
      queue.offer(1);
      expect(seen).to.deep.equal([]);
      queue.complete();
      await end;
      expect(seen).to.deep.equal([1]);
    }),
  );

  it(
    "may be offered to by downstream itself",
    eachSeed(async (options) => {
      const [queue, all] = Source.queue<number>(3)
        .map((n) => {
          if (n < 5) queue.offer(n + 1);
          else queue.complete();
          return n;
        })
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      queue.offer(1);
      expect(await all).to.deep.equal([1, 2, 3, 4, 5]);
    }),
  );

  it("gives each run a queue of its own", async () => {
    const [first, one] = graph.run();
    const [second, two] = graph.run();
    first.offer(1);
    second.offer(2);
    await one.expectNext(1);
    await two.expectNext(2);
    one.cancel();
    expect(second.offer(3)).to.equal("enqueued");
    two.cancel();
  });
});
