import { Flow, Keep, type KillSwitch, KillSwitches, Sink, Source } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import {
  assertAllClosed,
  forSeeds,
  type Instrumented,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { LONGEST_TURN_MS, turnsOf } from "../../../../test/support/spun-time.js";
import { operatorSkeleton } from "../support/operator-skeleton.js";

const switched = (options: Instrumented): [SourceProbe<number>, KillSwitch, SinkProbe<number>] => {
  const [[source, kill], sink] = sourceProbe<number>()
    .viaMat(KillSwitches.single<number>(), Keep.both)
    .toMat(sinkProbe<number>(), Keep.both)
    .run(options);
  return [source, kill, sink];
};

describe("KillSwitches.single", () => {
  operatorSkeleton<number, number>({
    name: "a switch nobody throws",
    flow: () => KillSwitches.single<number>(),
    input: [1, 2, 3],
    output: [1, 2, 3],
    outputOfOne: [1],
  });

  it("fails downstream and cancels upstream with the error of abort", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, kill, sink] = switched(options);
        const error = new Error("abort");
        source.send(1);
        await sink.expectNext(1);
        kill.abort(error);
        expect(await sink.expectError()).to.equal(error);
        expect(source.cancellations).to.deep.equal([error]);
      }),
    ));

  it("ends a stream that waits", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, kill, sink] = switched(options);
        await sink.expectNothing();
        kill.shutdown();
        await sink.expectComplete();
        expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    ));

  it("ends a stream before it has asked for anything", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const [source, kill, sink] = switched(options);
        kill.shutdown();
        await sink.expectComplete();
        expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
      }),
    ));

  it("heeds only the first call", () =>
    forSeeds(async (options) => {
      const [source, kill, sink] = switched(options);
      kill.shutdown();
      kill.abort(new Error("late"));
      kill.shutdown();
      await sink.expectComplete();
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }));

  it("does nothing after completion, failure or cancellation", () =>
    forSeeds(async (options) => {
      const error = new Error("boom");
      for (const end of ["complete", "fail", "cancel"] as const) {
        const [source, kill, sink] = switched(options);
        if (end === "complete") {
          source.complete();
          await sink.expectComplete();
        } else if (end === "fail") {
          source.fail(error);
          expect(await sink.expectError()).to.equal(error);
        } else {
          await sink.expectNothing();
          sink.cancel();
        }
        const before = [...source.cancellations];
        kill.abort(new Error("late"));
        expect(source.cancellations).to.deep.equal(before);
      }
    }));

  it("delivers nothing after an abort from a function upstream of it", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const error = new Error("abort");
        const events: string[] = [];
        const handle: { kill?: KillSwitch } = {};
        const [thrown, end] = Source.from([1, 2, 3, 4])
          .map((n) => {
            if (n === 2) handle.kill?.abort(error);
            return n;
          })
          .viaMat(KillSwitches.single<number>(), Keep.right)
          .toMat(
            Sink.forEach<number>((n) => void events.push(`element ${n}`)),
            Keep.both,
          )
          .run(options);
        handle.kill = thrown;
        const failure: unknown = await end.catch((caught: unknown) => {
          events.push("failed");
          return caught;
        });
        expect(failure).to.equal(error);
        expect(events.slice(0, -1)).not.to.include("failed");
      }),
    ));

  it("stops a flood in the first turn of the event loop that others have", () =>
    assertAllClosed(async () => {
      const { all } = await turnsOf((time) => {
        // A flood that nothing stops must not hang the tests.
        const flood = Source.unfold(0, (n) => {
          time.spend(0.01);
          return n < 5000 ? [n + 1, n] : undefined;
        });
        const [kill, end] = flood.viaMat(KillSwitches.single<number>(), Keep.right).toMat(Sink.ignore, Keep.both).run();
        setImmediate(() => kill.shutdown());
        return end;
      });
      expect(all, "ms of the flood").to.be.below(2 * LONGEST_TURN_MS);
    }));

  it("can be thrown from downstream of it", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const handle: { kill?: KillSwitch } = {};
        const [thrown, elements] = Source.unfold(0, (n) => [n + 1, n] as const)
          .viaMat(KillSwitches.single<number>(), Keep.right)
          .via(
            Flow.of<number>().map((n) => {
              if (n === 3) handle.kill?.shutdown();
              return n;
            }),
          )
          .takeWhile((n) => n < 100_000)
          .toMat(Sink.toArray<number>(), Keep.both)
          .run(options);
        handle.kill = thrown;
        const received = await elements;
        expect(received.slice(0, 4)).to.deep.equal([0, 1, 2, 3]);
        expect(received.length).to.be.lessThan(100_000);
      }),
    ));
});
