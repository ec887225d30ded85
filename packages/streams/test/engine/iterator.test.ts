import { Flow, Sink, Source, StreamError } from "@millrace/streams";
import { liveRuns, NO_MORE_ELEMENTS } from "@millrace/streams/stage";
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

/** A flow that has something to close at the end of its run, and counts how often it was cancelled and closed. */
const toClose = (): { readonly flow: Flow<number, number>; readonly seen: { cancelled: number; closed: number } } => {
  const seen = { cancelled: 0, closed: 0 };
  const flow = Flow.fromStage<number, number>({
    name: "toClose",
    create(upstream, run) {
      run.onEnd(() => void (seen.closed += 1));
      return {
        pull: (wake) => upstream.pull(wake),
        cancel(cause) {
          seen.cancelled += 1;
          upstream.cancel(cause);
        },
      };
    },
  });
  return { flow, seen };
};

/** Lets the collector take what nobody holds, until `holds` or for some turns. */
const collectUntil = async (holds: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 20 && !holds(); turn++) {
    globalThis.gc?.();
    await settle(1);
  }
};

describe("iterating a source", () => {
  it("refuses to be asked by a stage of its own stream, and goes on", () =>
    assertAllClosed(async () => {
      const refused: Promise<unknown>[] = [];
      const iterator: AsyncIterableIterator<number> = Source.from([1, 2])
        .map((n) => {
          refused.push(iterator.next().catch((error: unknown) => error));
          return n;
        })
        .iterate();
      expect(await iterator.next()).to.deep.equal({ done: false, value: 1 });
      expect(refused).to.have.length(2);
      for (const error of await Promise.all(refused)) {
        expect(error).to.be.instanceOf(StreamError).and.to.have.property("code", "ITERATED_FROM_INSIDE");
      }
      expect(await iterator.next()).to.deep.equal({ done: false, value: 2 });
      expect(await iterator.next()).to.deep.equal(END);
    }));

  it("fails a stage that waits for an element of its own stream, instead of standing still", () =>
    assertAllClosed(async () => {
      const iterator: AsyncIterableIterator<unknown> = Source.from([1, 2])
        .mapAsync(1, () => iterator.next())
        .iterate();
      const failure: unknown = await iterator.next().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(StreamError).and.to.have.property("code", "ITERATED_FROM_INSIDE");
    }));

  it("gives nothing more once a stage of its own stream has left the loop", () =>
    assertAllClosed(async () => {
      const iterator: AsyncIterableIterator<number> = Source.from([1, 2, 3])
        .map((n) => {
          if (n === 2) void iterator.return?.();
          return n;
        })
        .iterate();
      expect(await iterator.next()).to.deep.equal(END);
      expect(await iterator.next()).to.deep.equal(END);
    }));

  it("holds no run where it is abandoned, asked or not, with nothing to close", async () => {
    const before = liveRuns();
    const sources = [
      Source.from([1, 2, 3]),
      Source.from([1, 2, 3]).mapAsync(2, async (n) => n),
      Source.from(failingAfter([1], new Error("never reached"))),
      Source.from([1, 2, 3])
        .groupBy(3, (n) => n)
        .mergeSubstreams()
        .merge(Source.single(4)),
    ];
    const iterators = sources.map((source) => source.iterate());
    expect(liveRuns()).to.equal(before);
    for (const iterator of iterators) {
      expect(await iterator.next()).to.deep.equal({ done: false, value: 1 });
    }
    expect(liveRuns()).to.equal(before);
  });

  it("is a run while it is asked for what has not come", () =>
    assertAllClosed(async () => {
      const before = liveRuns();
      const [source, probe] = probed();
      const iterator = source.iterate();
      const next = iterator.next();
      expect(liveRuns()).to.equal(before + 1);
      probe().send(1);
      expect(await next).to.deep.equal({ done: false, value: 1 });
      expect(liveRuns()).to.equal(before);
      await iterator.return?.();
    }));

  it("is a run while a side branch is at work", () =>
    assertAllClosed(async () => {
      const before = liveRuns();
      const [source, probe] = probed();
      const iterator = source.alsoTo(Sink.ignore).iterate();
      probe().send(1);
      expect(await iterator.next()).to.deep.equal({ done: false, value: 1 });
      expect(liveRuns()).to.equal(before + 1);
      await iterator.return?.();
    }));

  for (const [asked, ask] of [
    ["asked", (iterator: AsyncIterator<number>): Promise<unknown> => iterator.next()],
    ["never asked", async (): Promise<unknown> => undefined],
  ] as const) {
    it(`is cancelled and closed once it is collected, where there is something to close: ${asked}`, async () => {
      const before = liveRuns();
      const { flow, seen } = toClose();
      await ask(Source.from([1, 2, 3]).via(flow).iterate());
      expect(liveRuns()).to.equal(before + 1);
      await collectUntil(() => liveRuns() === before);
      expect(seen).to.deep.equal({ cancelled: 1, closed: 1 });
      expect(liveRuns()).to.equal(before);
    });
  }

  it("is not cancelled again when it is collected after its end", async () => {
    const { flow, seen } = toClose();
    await assertAllClosed(async () => {
      for await (const _ of Source.single(1).via(flow));
    });
    // One that is abandoned later tells when the collector has been there.
    const later = toClose();
    await Source.from([1, 2]).via(later.flow).iterate().next();
    await collectUntil(() => later.seen.closed === 1);
    expect(later.seen).to.deep.equal({ cancelled: 1, closed: 1 });
    expect(seen).to.deep.equal({ cancelled: 0, closed: 1 });
  });

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
