import { Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { assertAllClosed, forSeeds, settle, type SourceProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { failingAfter } from "../support/operator-skeleton.js";

const END = { done: true, value: undefined };

/** A source probe whose probe is handed out, because an iterator drops the materialised value. */
const probed = (): [Source<number, unknown>, () => SourceProbe<number>] => {
  let probe: SourceProbe<number> | undefined;
  const source = sourceProbe<number>().mapMaterializedValue((mat) => {
    probe = mat;
  });
  return [source, () => probe as SourceProbe<number>];
};

describe("iterating a source", () => {
  it("throws the stream's own error after what preceded it, then is at its end", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const error = new Error("boom");
        const iterator = failingAfter([1, 2], error).iterate(options);
        expect(await iterator.next()).to.deep.equal({ done: false, value: 1 });
        expect(await iterator.next()).to.deep.equal({ done: false, value: 2 });
        const failure: unknown = await iterator.next().catch((caught: unknown) => caught);
        expect(failure).to.equal(error);
        expect(await iterator.next()).to.deep.equal(END);
      }),
    ));

  it("cancels the stream when the loop is left by break", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, probe] = probed();
        const iterator = source.iterate(options);
        probe().send(1, 2);
        for await (const n of iterator) {
          expect(n).to.equal(1);
          break;
        }
        expect(probe().cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    ));

  it("cancels the stream when the body throws, and keeps the body's error", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, probe] = probed();
        const iterator = source.iterate(options);
        probe().send(1, 2);
        const own = new Error("body");
        const loop = async (): Promise<void> => {
          for await (const _ of iterator) throw own;
        };
        expect(await loop().catch((caught: unknown) => caught)).to.equal(own);
        expect(probe().cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    ));

  it("ends calls that wait when it is returned, once", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, probe] = probed();
        const iterator = source.iterate(options);
        const waiting = [iterator.next(), iterator.next()];
        await settle();
        expect(await iterator.return?.()).to.deep.equal(END);
        expect(await iterator.return?.()).to.deep.equal(END);
        expect(await Promise.all(waiting)).to.deep.equal([END, END]);
        expect(await iterator.next()).to.deep.equal(END);
        expect(probe().cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    ));

  it("returns without having been asked for anything", () =>
    assertAllClosed(async () => {
      const [source, probe] = probed();
      const iterator = source.iterate();
      await iterator.return?.();
      expect(probe().cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }));

  it("asks for nothing before next is called", async () => {
    const [source, probe] = probed();
    const iterator = source.iterate();
    await probe().expectNoPull();
    await iterator.return?.();
  });

  it("answers calls made at once in order", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const iterator = Source.from([1, 2, 3])
          .mapAsync(2, async (n) => n)
          .iterate(options);
        const steps = await Promise.all(Array.from({ length: 5 }, () => iterator.next()));
        expect(steps.map((step) => (step.done ? "end" : step.value))).to.deep.equal([1, 2, 3, "end", "end"]);
      }),
    ));

  it("is a run of its own for every loop", () =>
    assertAllClosed(async () => {
      const source = Source.from([1, 2]).map((n) => n * 2);
      for (let loop = 0; loop < 2; loop++) {
        const seen: number[] = [];
        for await (const n of source) seen.push(n);
        expect(seen).to.deep.equal([2, 4]);
      }
    }));
});
