import { type Control, DrainError, DrainingControl } from "@millrace/kafka";
import { Sink, Source, systemClock } from "@millrace/streams";
import { expect } from "chai";
import { drain } from "../../src/consumer/drain.js";
import { unhandledRejections } from "../../../../test/support/unhandled.js";
import { rejectionOf } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";

const consumer = {
  report: () => [],
  explain: () => ({ state: "running" as const, reasons: [], partitions: [] }),
  leaks: false,
};

const metrics = {
  ...{ assignedPartitions: 0, delivered: 0, processed: 0, discarded: 0, parked: 0, abandoned: 0 },
  ...{ inFlight: 0, inFlightBytes: 0, buffered: 0, bufferedBytes: 0, uncommitted: 0 },
  ...{ commits: 0, failedCommits: 0, polls: 0, rebalances: 0 },
  ...{
    offsetResets: 0,
    removedOffsets: 0,
    watchdogProbes: 0,
    watchdogSeeks: 0,
    watchdogReassignments: 0,
    watchdogRenewals: 0,
  },
};

/** What a drain does not ask for. */
const idle = {
  pause: () => undefined,
  resume: () => undefined,
  seek: () => Promise.resolve(),
  replayFrom: () => Promise.resolve([]),
  assignment: () => [],
  lag: () => Promise.resolve([]),
  metrics: () => metrics,
  health: () => ({ live: true, ready: true, reasons: [] }),
};

/** A control that notes its calls, and whose shutdown may fail. */
const fakeControl = (shutdownError?: Error): { readonly control: Control; readonly calls: string[] } => {
  const calls: string[] = [];
  const control: Control = {
    ...idle,
    stop: async () => void calls.push("stop"),
    shutdown: async () => {
      calls.push("shutdown");
      if (shutdownError) throw shutdownError;
    },
    drainAndShutdown: (streamCompletion, options) => drain(control, consumer, systemClock, streamCompletion, options),
    report: consumer.report,
    explain: consumer.explain,
    isShutdown: Promise.resolve(),
  };
  return { control, calls };
};

describe("DrainingControl", () => {
  const streamError = new Error("stream");
  const shutdownError = new Error("shutdown");

  it("S-21 drainAndShutdown() rejects with the stream's failure, after shutting down", async () => {
    const { control, calls } = fakeControl();
    const draining = DrainingControl.from(control, Promise.reject(streamError));
    expect(await rejectionOf(draining.drainAndShutdown())).to.equal(streamError);
    expect(calls).to.deep.equal(["stop", "shutdown"]);
  });

  const looks: Readonly<Record<string, (control: DrainingControl<void>) => Promise<unknown>>> = {
    streamCompletion: (control) => rejectionOf(control.streamCompletion),
    isShutdown: (control) => rejectionOf(control.isShutdown),
    drainAndShutdown: (control) => rejectionOf(control.drainAndShutdown()),
  };
  const failing = (): DrainingControl<void> =>
    Source.single(1)
      .map(() => {
        throw streamError;
      })
      .mapMaterializedValue(() => fakeControl().control)
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  for (const [name, look] of Object.entries(looks)) {
    it(`reports the stream's failure by ${name}, and then it is handled`, async () => {
      const unheard = await unhandledRejections(async () => {
        expect(await look(failing())).to.equal(streamError);
      });
      expect(unheard).to.deep.equal([]);
    });
  }

  it("lets the stream's failure be one unhandled rejection where nobody asks it", async () => {
    expect(await unhandledRejections(async () => void failing())).to.deep.equal([streamError]);
  });

  it("S-22 the stream's failure wins over that of the shutdown", async () => {
    const { control, calls } = fakeControl(shutdownError);
    const draining = DrainingControl.from(control, Promise.reject(streamError));
    expect(await rejectionOf(draining.drainAndShutdown())).to.equal(streamError);
    expect(calls).to.deep.equal(["stop", "shutdown"]);
  });

  it("S-23 the shutdown's failure surfaces when the stream succeeded", async () => {
    const { control } = fakeControl(shutdownError);
    const draining = DrainingControl.from(control, Promise.resolve(1));
    const error = await rejectionOf(draining.drainAndShutdown());
    expect(error).to.include({ code: "DRAIN_INCOMPLETE", cause: shutdownError });
  });

  it("S-20 drainAndShutdown() resolves with the stream's result, and shuts down only then", async () => {
    const { control, calls } = fakeControl();
    const end = new Latch<number>();
    const draining = DrainingControl.from(control, end.opened);
    const drained = draining.drainAndShutdown();
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).to.deep.equal(["stop"]);
    end.open(42);
    expect((await drained).result).to.equal(42);
    expect(calls).to.deep.equal(["stop", "shutdown"]);
  });

  it("rejects with the report when the stream does not end in time, after closing all the same", async () => {
    const { control, calls } = fakeControl();
    const draining = DrainingControl.from(control, new Promise<never>(() => undefined));
    const error = await rejectionOf(draining.drainAndShutdown({ timeoutMs: 1 }));
    expect(error).to.be.instanceOf(DrainError).and.include({ code: "DRAIN_INCOMPLETE" });
    expect((error as DrainError).report.partitions).to.deep.equal([]);
    expect(calls).to.deep.equal(["stop", "shutdown"]);
  });

  it("S-20 isShutdown resolves once the stream has ended and the client is closed", async () => {
    const { control } = fakeControl();
    await DrainingControl.from(control, Promise.resolve(1)).isShutdown;
    const failed = DrainingControl.from(control, Promise.reject(streamError));
    expect(await rejectionOf(failed.isShutdown)).to.equal(streamError);
  });
});
