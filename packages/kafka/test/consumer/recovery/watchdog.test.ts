import { committerSink, DrainingControl } from "@millrace/kafka";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import type { FakeConsumer } from "../../support/fake-consumer.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { type Message, p0, p1, source } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

const PERIOD_MS = 1000;

describe("the watchdog", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let messages: Message[];
  /** What the broker has of partition 0, and what the client knows it to have. */
  let end: number;
  let fetchedEnd: number | undefined;
  let warnings: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    messages = [];
    end = 0;
    fetchedEnd = undefined;
    warnings = [];
    kafka.onConsumer = (consumer) => {
      consumer.onWatermarks = ({ partition }) => ({ low: 0, high: partition === 0 ? end : 0 });
      consumer.onFetchedWatermarks = () => (fetchedEnd === undefined ? undefined : { low: 0, high: fetchedEnd });
    };
  });
  afterEach(() => kafka.verify());

  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (text: string) => void warnings.push(text),
    error: () => undefined,
  };
  const run = (settings: Parameters<typeof source>[1] = {}, gate?: Latch) =>
    source(kafka, { watchdog: { afterMs: PERIOD_MS }, kafka: { ...kafka.settings, logger }, ...settings })
      .mapAsync(10, async (message) => {
        messages.push(message);
        await gate?.opened;
        return message.offset;
      })
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
      .run({ clock });
  const offsets = (): string[] => messages.map(({ record, offset }) => `${record.offset}#${offset.epoch}`);
  const delivered = (count: number): Promise<void> => until(() => messages.length === count, `${count} messages`);

  /** One look, with a poll before it that finds the client's queue empty. */
  const look = async (control: DrainingControl<void>): Promise<void> => {
    const { polls } = control.metrics();
    await until(() => control.metrics().polls > polls + 1, "polls");
    await clock.advance(PERIOD_MS);
    // A step is made between two polls.
    const { polls: then } = control.metrics();
    await until(() => control.metrics().polls > then + 1, "polls");
    await clock.advance(0);
  };
  const looks = async (control: DrainingControl<void>, count: number): Promise<void> => {
    for (let each = 0; each < count; each++) await look(control);
  };
  /** Steps so far: probes, seeks, reassignments, renewals. */
  const steps = (control: DrainingControl<void>): number[] => {
    const metrics = control.metrics();
    return [metrics.watchdogProbes, metrics.watchdogSeeks, metrics.watchdogReassignments, metrics.watchdogRenewals];
  };
  /** A partition that gave records 0 and 1, and gives no more of ten. */
  const stuck = async (settings?: Parameters<typeof source>[1], gate?: Latch): Promise<DrainingControl<void>> => {
    const control = run(settings, gate);
    await kafka.client.assign(p0);
    kafka.client.give(records("t", 0, 0, 2));
    await delivered(2);
    end = 10;
    fetchedEnd = 2;
    return control;
  };

  describe("does nothing to a partition", () => {
    const quiet = async (control: DrainingControl<void>): Promise<void> => {
      await looks(control, 8);
      expect(steps(control).slice(1)).to.deep.equal([0, 0, 0]);
      expect(warnings).to.deep.equal([]);
      await control.drainAndShutdown();
    };

    it("of which the broker has no more, however long", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        end = 2;
        await quiet(control);
        expect(kafka.client.of("seek")).to.deep.equal([]);
      }));

    it("that the user has paused", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        control.pause();
        await quiet(control);
        expect(kafka.client.of("seek")).to.deep.equal([]);
      }));

    it("of which records wait to be delivered", () =>
      assertAllClosed(async () => {
        const gate = new Latch();
        const control = await stuck({}, gate);
        kafka.client.give(records("t", 0, 2, 10));
        kafka.client.give(records("t", 0, 12, 10));
        await until(() => control.metrics().buffered > 0, "records to wait");
        await looks(control, 8);
        expect(steps(control)).to.deep.equal([0, 0, 0, 0]);
        gate.open();
        await control.drainAndShutdown();
      }));

    it("that gives something now and then", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        for (let offset = 2; offset < 8; offset++) {
          await look(control);
          kafka.client.give(records("t", 0, offset, 1));
          await delivered(offset + 1);
        }
        expect(steps(control).slice(1)).to.deep.equal([0, 0, 0]);
        await control.drainAndShutdown();
      }));

    it("while the client's queue was never found empty, for it may wait there", () =>
      assertAllClosed(async () => {
        const control = run({ maxPollRecords: 1 });
        await kafka.client.assign(p0, p1);
        kafka.client.give(records("t", 0, 0, 1));
        await delivered(1);
        end = 10;
        let offset = 0;
        const poll = kafka.client.poll.bind(kafka.client);
        kafka.client.poll = async (options) => {
          await new Promise((resolve) => setImmediate(resolve));
          kafka.client.give(records("t", 1, offset++, 1));
          return poll(options);
        };
        await clock.advance(0);
        await looks(control, 6);
        expect(steps(control).slice(1)).to.deep.equal([0, 0, 0]);
        kafka.client.poll = poll;
        await control.drainAndShutdown();
      }));

    it("where the broker cannot be asked", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        kafka.client.onWatermarks = () => {
          throw new Error("no broker");
        };
        await looks(control, 6);
        expect(steps(control)).to.deep.equal([0, 0, 0, 0]);
        await control.drainAndShutdown();
      }));

    it("where it is switched off", () =>
      assertAllClosed(async () => {
        const control = await stuck({ watchdog: false });
        await quiet(control);
        expect(steps(control)).to.deep.equal([0, 0, 0, 0]);
      }));

    it("with nothing but hidden records at its end, but for one seek to where it is", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        // Markers of transactions: the client fetches them, and hands nothing over.
        fetchedEnd = 10;
        await looks(control, 8);
        // Aborted transactions go on and on.
        for (end = 11; end < 20; end++) {
          fetchedEnd = end;
          await look(control);
        }
        expect(steps(control).slice(1)).to.deep.equal([0, 0, 0]);
        expect(kafka.client.of("seek").map(({ positions }) => positions)).to.deep.equal([[{ ...p0, offset: 2 }]]);
        expect(warnings).to.deep.equal([]);
        expect(control.explain().partitions[0]?.stuck).to.equal(undefined);
        await control.drainAndShutdown();
      }));
  });

  it("only probes one that comes back before the next look", () =>
    assertAllClosed(async () => {
      const control = await stuck();
      await looks(control, 2);
      expect(steps(control)).to.deep.equal([1, 0, 0, 0]);
      kafka.client.give(records("t", 0, 2, 8));
      await delivered(10);
      await looks(control, 3);
      expect(steps(control).slice(1)).to.deep.equal([0, 0, 0]);
      await control.drainAndShutdown();
    }));

  it("seeks a stuck one where it is, and leaves what is in flight as it is", () =>
    assertAllClosed(async () => {
      const gate = new Latch();
      const control = await stuck({}, gate);
      await looks(control, 3);
      expect(steps(control)).to.deep.equal([2, 1, 0, 0]);
      expect(kafka.client.of("seek")).to.deep.equal([{ call: "seek", positions: [{ ...p0, offset: 2 }] }]);
      kafka.client.give(records("t", 0, 2, 1));
      await delivered(3);
      gate.open();
      await control.drainAndShutdown();
      expect(offsets()).to.deep.equal(["0#1", "1#1", "2#1"]);
      expect(kafka.client.of("commit").at(-1)?.positions).to.deep.equal([{ ...p0, offset: 3 }]);
    }));

  it("reports what it sees and does, in the log and in explain()", () =>
    assertAllClosed(async () => {
      const control = await stuck();
      await looks(control, 3);
      const partition = control.explain().partitions.find((each) => each.partition === 0);
      expect(partition?.stuck).to.deep.equal({ forMs: 2 * PERIOD_MS, behind: 8, lastStep: "seek" });
      expect(control.explain().toString()).to.include("nothing fetched for 2000 ms though the broker has 8 more");
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.include("read anew from where it is").and.to.include("Look at");
      await control.drainAndShutdown();
    }));

  it("then assigns everything again where it is, with its pauses", () =>
    assertAllClosed(async () => {
      const control = await stuck();
      await looks(control, 4);
      expect(steps(control)).to.deep.equal([3, 1, 1, 0]);
      expect(kafka.client.of("reassign").map(({ partitions }) => partitions)).to.deep.equal([[{ ...p0, offset: 2 }]]);
      kafka.client.give(records("t", 0, 2, 1));
      await delivered(3);
      await control.drainAndShutdown();
      expect(offsets()).to.deep.equal(["0#1", "1#1", "2#1"]);
    }));

  it("goes on after a step that could not be done", () =>
    assertAllClosed(async () => {
      const control = await stuck();
      kafka.client.onSeek = () => Promise.reject(new Error("timed out"));
      kafka.client.onReassign = () => {
        throw new Error("refused");
      };
      await looks(control, 4);
      expect(steps(control)).to.deep.equal([3, 0, 0, 0]);
      await look(control);
      expect(steps(control)).to.deep.equal([4, 0, 0, 1]);
      await control.drainAndShutdown();
    }));

  describe("in the end", () => {
    it("exchanges the client: all is lost to the old one, and the new one goes on where that was", () =>
      assertAllClosed(async () => {
        const gate = new Latch();
        const control = await stuck({}, gate);
        const [old] = kafka.consumers as [FakeConsumer];
        await looks(control, 5);
        expect(steps(control)).to.deep.equal([4, 1, 1, 1]);
        expect(old.closed).to.equal(true);
        expect(kafka.consumers).to.have.length(2);
        expect(control.assignment()).to.deep.equal([]);
        expect(control.report()[0]).to.include({ delivered: 2, abandoned: 2 });
        // I6: what had been in flight changes nothing any more.
        gate.open();
        await kafka.client.assign(p0);
        expect(kafka.client.of("assigned")[0]?.partitions).to.deep.equal([{ ...p0, offset: 0 }]);
        kafka.client.give(records("t", 0, 0, 4));
        await delivered(6);
        await control.drainAndShutdown();
        expect(offsets()).to.deep.equal(["0#1", "1#1", "0#2", "1#2", "2#2", "3#2"]);
        expect(old.of("commit")).to.deep.equal([]);
        expect(kafka.client.of("commit").at(-1)?.positions).to.deep.equal([{ ...p0, offset: 4 }]);
      }));

    it("begins behind what others have committed meanwhile", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 9 }];
        };
        await looks(control, 5);
        await kafka.client.assign(p0);
        expect(kafka.client.of("assigned")[0]?.partitions).to.deep.equal([{ ...p0, offset: 9 }]);
        await control.drainAndShutdown();
      }));

    it("hears nothing more of the old client, and does not wait for one that does not close", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        const [old] = kafka.consumers as [FakeConsumer];
        const closed = new Latch();
        let closing = false;
        old.close = () => {
          closing = true;
          return closed.opened;
        };
        await looks(control, 4);
        const { polls } = control.metrics();
        await until(() => control.metrics().polls > polls, "polls");
        await clock.advance(PERIOD_MS);
        await until(() => closing, "the old client to be closed");
        await clock.advance(10_000);
        await until(() => kafka.consumers.length === 2, "a new client");
        await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
        await kafka.client.assign(p0);
        await old.listener.onRevoke([p0]);
        await old.listener.onAssign([p1]);
        old.lose(p0);
        old.listener.onError(new Error("late"));
        expect(control.assignment()).to.deep.equal([p0]);
        const drained = control.drainAndShutdown();
        await until(() => kafka.client.closed, "the new client to close");
        closed.open();
        await drained;
      }));

    it("fails the stream where no new client connects", () =>
      assertAllClosed(async () => {
        const failure = new Error("no brokers");
        const control = await stuck();
        kafka.onConsumer = (consumer) => {
          consumer.connecting = Promise.reject(failure);
          consumer.connecting.catch(() => undefined);
        };
        for (let each = 0; each < 4; each++) await look(control);
        await clock.advance(PERIOD_MS);
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      }));

    it("reads partitions of its own assignment on from where they were", () =>
      assertAllClosed(async () => {
        const assignment = [{ ...p0, offset: 0 }];
        const control = run({ topics: undefined as never, assignment });
        await until(() => kafka.client.of("subscribe").length === 1, "a subscription");
        kafka.client.give(records("t", 0, 0, 2));
        await delivered(2);
        await until(() => control.metrics().uncommitted === 0, "a commit");
        end = 10;
        await looks(control, 5);
        expect(steps(control)).to.deep.equal([4, 1, 1, 1]);
        expect(kafka.client.of("subscribe").map(({ subscription }) => subscription)).to.deep.equal([
          { kind: "assignment", partitions: [{ ...p0, offset: 2 }] },
        ]);
        kafka.client.give(records("t", 0, 2, 1));
        await delivered(3);
        await control.drainAndShutdown();
        expect(offsets()).to.deep.equal(["0#1", "1#1", "2#2"]);
      }));

    it("begins again, later each time, as long as nothing comes", () =>
      assertAllClosed(async () => {
        const control = await stuck();
        await looks(control, 5);
        await kafka.client.assign(p0);
        fetchedEnd = undefined;
        await looks(control, 3);
        expect(steps(control).slice(1)).to.deep.equal([1, 1, 1]);
        await look(control);
        expect(steps(control).slice(1)).to.deep.equal([2, 1, 1]);
        await control.drainAndShutdown();
      }));
  });
});
