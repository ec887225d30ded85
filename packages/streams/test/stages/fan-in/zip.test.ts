import { Flow, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { settle, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { heldProbe } from "../../support/held-probe.js";
import { operatorSkeleton } from "../../support/operator-skeleton.js";
import { asItIs, eachSeed } from "../../support/runs.js";

const count = (): Source<number> => Source.unfold(0, (n) => [n + 1, n]);

describe("zip", () => {
  operatorSkeleton<string, readonly [string, number]>({
    name: "zip",
    flow: () => Flow.of<string>().zip(count()),
    input: ["a", "b", "c"],
    output: [
      ["a", 0],
      ["b", 1],
      ["c", 2],
    ],
    outputOfOne: [["a", 0]],
  });

  const left = heldProbe<number>();
  const right = heldProbe<string>();
  const zipped = left.source.zip(right.source);

  for (const [name, one, other] of [
    ["left", left, right],
    ["right", right, left],
  ] as const) {
    it(
      `fails when the ${name} one fails, and cancels the other with that error`,
      eachSeed(async (options) => {
        const error = new Error(name);
        const sink = zipped.runWith(sinkProbe(), options);
        await sink.expectNothing();
        one.probe.fail(error);
        expect(await sink.expectError()).to.equal(error);
        expect(other.probe.cancellations).to.deep.equal([error]);
      }),
    );

    it(
      `completes when the ${name} one completes, and cancels the other`,
      eachSeed(async (options) => {
        const sink = zipped.runWith(sinkProbe(), options);
        await sink.expectNothing();
        one.probe.complete();
        await sink.expectComplete();
        expect(other.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    );
  }

  it(
    "completes after the pairs that could be made when one was shorter",
    eachSeed(async (options) => {
      const sink = zipped.runWith(sinkProbe(), options);
      left.probe.sendChunk([1, 2]);
      left.probe.complete();
      right.probe.sendChunk(["a", "b", "c"]);
      expect(await sink.rest()).to.deep.equal([
        [1, "a"],
        [2, "b"],
      ]);
      expect(right.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "does not ask the second once the first has completed",
    asItIs(async (options) => {
      const sink = zipped.runWith(sinkProbe(), options);
      left.probe.complete();
      right.probe.fail(new Error("not to be seen"));
      await sink.expectComplete();
      expect(right.probe.pulls).to.equal(0);
    }),
  );

  it(
    "makes no pair of one side alone",
    eachSeed(async (options) => {
      const sink = zipped.runWith(sinkProbe(), options);
      left.probe.send(1, 2);
      await sink.expectNothing();
      right.probe.send("a");
      await sink.expectNext([1, "a"]);
      await sink.expectNothing();
      sink.cancel();
      expect(left.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      expect(right.probe.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );

  it(
    "leaves a side alone that is ahead",
    asItIs(async (options) => {
      const sink = zipped.runWith(sinkProbe(), options);
      left.probe.send(1, 2, 3);
      await sink.expectNothing();
      expect(left.probe.pulls).to.equal(1);
      sink.cancel();
      await settle();
    }),
  );

  it("materialises what combine makes of both, by default the left value", async () => {
    const combined = left.source
      .zipMat(right.source, (...mats) => mats)
      .to(Sink.ignore)
      .run();
    expect(combined).to.deep.equal([left.probe, right.probe]);
    const kept = left.source.zip(right.source).to(Sink.ignore).run();
    expect(kept).to.equal(left.probe);
    for (const probe of [...combined, left.probe, right.probe]) probe.complete();
    await settle();
  });

  it("pairs by position, however the sides are chunked", async () => {
    const chunks = fc.array(fc.integer(), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        chunks,
        chunks,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        async (a, b, m, n) => {
          const pairs = await Source.from(a)
            .withAttributes({ chunkElements: m })
            .zip(Source.from(b).withAttributes({ chunkElements: n }))
            .runWith(Sink.toArray());
          const length = Math.min(a.length, b.length);
          expect(pairs).to.deep.equal(a.slice(0, length).map((element, index) => [element, b[index]]));
        },
      ),
    );
  });
});
