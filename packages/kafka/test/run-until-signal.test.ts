import { committerSink, DrainingControl, plainSource, runUntilSignal, sourceWithOffsetContext } from "@millrace/kafka";
import { type Logger, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "./support/fake-chunk.js";
import { FakeKafka } from "./support/fake-kafka.js";
import { p0 } from "./support/pipelines.js";
import { rejectionOf, until } from "./support/until.js";
import { Latch } from "../../../test/support/latch.js";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

describe("runUntilSignal", () => {
  let kafka: FakeKafka;
  let gate: Latch;
  let seen: number;
  let said: string[];
  let before: readonly number[];
  const counts = (): readonly number[] => SIGNALS.map((signal) => process.listenerCount(signal));
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Latch();
    seen = 0;
    said = [];
    before = counts();
  });
  afterEach(() => {
    kafka.verify();
    expect(counts(), "handlers that were put back").to.deep.equal(before);
  });

  const say = (message: string): void => void said.push(message);
  const logger: Logger = { debug: say, info: say, warn: say, error: say };
  const graph = (fails?: Error) =>
    sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"] })
      .mapAsync(10, async () => {
        seen += 1;
        await gate.opened;
        if (fails) throw fails;
      })
      .toMat(committerSink(), DrainingControl.from);
  const given = async (count: number): Promise<void> => {
    await kafka.client.assign(p0);
    kafka.client.give(records("t", 0, 0, count));
    await until(() => seen === count, "the records");
  };

  for (const signal of SIGNALS) {
    it(`finishes and commits what is in flight at ${signal}, and logs the report`, () =>
      assertAllClosed(async () => {
        const ended = runUntilSignal(graph(), { logger });
        await given(3);
        process.emit(signal, signal);
        await until(() => said.length === 1, "the first line");
        expect(said[0]).to.equal(`${signal}: finishing what is in flight, for 30000 ms at most`);
        gate.open();
        const report = await ended;
        expect(report).to.include({ delivered: 3, processed: 3, abandoned: 0 });
        expect(kafka.client.of("commit").at(-1)?.positions).to.deep.equal([{ ...p0, offset: 3 }]);
        expect(kafka.client.closed).to.equal(true);
        expect(said[1]).to.equal(`drained: ${report.toString()}`);
      }));
  }

  it("says of a plain source what was delivered, and that nobody keeps an account of it", () =>
    assertAllClosed(async () => {
      let count = 0;
      const plain = plainSource({ kafka: kafka.settings, topics: ["t"] }).toMat(
        Sink.forEach(() => (count += 1)),
        DrainingControl.from,
      );
      const ended = runUntilSignal(plain, { logger });
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => count === 3, "the records");
      process.emit("SIGTERM", "SIGTERM");
      expect(await ended).to.include({ delivered: 3, processed: 0, expectedReplays: 0 });
      expect(said[1]).to.equal(
        "drained: 3 delivered; a plain source keeps no account of what became of them\n" +
          "t[0] committed nothing: 3 delivered; a plain source keeps no account of what became of them",
      );
    }));

  it("rejects with the failure of the stream, as soon as it fails", () =>
    assertAllClosed(async () => {
      const boom = new Error("boom");
      const failure = rejectionOf(runUntilSignal(graph(boom), { logger }));
      await given(1);
      gate.open();
      expect(await failure).to.equal(boom);
    }));

  it("rejects where not everything is finished in time, with what is not", () =>
    assertAllClosed(async () => {
      const failure = rejectionOf(runUntilSignal(graph(), { logger, drainTimeoutMs: 200 }));
      await given(1);
      process.emit("SIGTERM", "SIGTERM");
      expect(await failure).to.include({ code: "DRAIN_INCOMPLETE" });
      gate.open();
    }));

  it("ends the process at once with a second signal, by its exit code", () =>
    assertAllClosed(async () => {
      const ends: unknown[] = [];
      const own = Object.getOwnPropertyDescriptors(process);
      const listeners = SIGNALS.map((signal) => process.listeners(signal));
      process.exit = ((code: unknown) => void ends.push(code)) as typeof process.exit;
      process.kill = (_, signal): true => {
        ends.push(signal, process.listenerCount(String(signal)));
        return true;
      };
      try {
        const ended = runUntilSignal(graph(), { logger });
        await given(1);
        process.emit("SIGTERM", "SIGTERM");
        await until(() => said.length === 1, "the drain");
        process.emit("SIGINT", "SIGINT");
        process.emit("SIGTERM", "SIGTERM");
        gate.open();
        await ended;
      } finally {
        Object.defineProperties(process, { exit: own.exit, kill: own.kill });
        for (const [index, signal] of SIGNALS.entries())
          for (const listener of listeners[index] ?? []) process.on(signal, listener);
      }
      // As by the signal itself, which nobody hears any more; by its exit code where that does not end it.
      expect(ends).to.deep.equal(["SIGINT", 0, 130, "SIGTERM", 0, 143]);
      expect(said[1]).to.match(/^SIGINT once more: ending at once/);
    }));

  it("resolves where the stream completes by itself", () =>
    assertAllClosed(async () => {
      const ended = runUntilSignal(graph(), { logger, onRunning: (control) => void control.stop() });
      gate.open();
      expect(await ended).to.include({ delivered: 0 });
    }));

  it("listens to no other signals than it is given", () =>
    assertAllClosed(async () => {
      const ended = runUntilSignal(graph(), { logger, signals: ["SIGUSR2"] });
      await given(1);
      expect(counts()).to.deep.equal(before);
      gate.open();
      process.emit("SIGUSR2", "SIGUSR2");
      expect(await ended).to.include({ processed: 1 });
    }));

  it("puts the handlers back where the graph is refused", async () => {
    const boom = new Error("refused");
    const refusing = {
      run: () => {
        throw boom;
      },
    } as unknown as ReturnType<typeof graph>;
    expect(await rejectionOf(runUntilSignal(refusing, { logger }))).to.equal(boom);
  });
});
