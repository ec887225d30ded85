import {
  committableSource,
  committerSink,
  DrainingControl,
  plainSource,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

type Running = DrainingControl<unknown>;

describe("the end of a partition whose last offsets hold nothing that can be seen", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let read: number[];
  let gate: Promise<void> | undefined;
  let senders: Sender[];

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 12, clock });
    kafka.createTopic("t", 1);
    read = [];
    gate = undefined;
    senders = [];
  });
  afterEach(async () => {
    for (const { client } of senders) await passing(clock, client.close(), "a sender to close");
  });

  const append = (count: number): void =>
    kafka.append("t", 0, ...Array.from({ length: count }, () => ({ value: "v" })));
  const transaction = async (count: number, end: "commit" | "abort"): Promise<void> => {
    const sender = new Sender(kafka, `p${senders.length}`, { "transactional.id": `x${senders.length}` });
    senders.push(sender);
    await passing(clock, sender.client.connect(), "a connection");
    await passing(clock, sender.transactions.init(1000), "init");
    await sender.transactions.begin();
    sender.send("t", 0, ...Array.from({ length: count }, () => "v"));
    await passing(clock, sender.client.flush(10_000), "the flush");
    await passing(clock, sender.transactions[end](1000), "the end of the transaction");
  };
  const settings = (more: object = {}) => ({
    kafka: { brokers: "x:1", groupId: "g", driver: kafka.driver },
    ...{ topics: ["t"], value: string(), ...more },
  });
  const seen = async (offset: number): Promise<void> => {
    read.push(offset);
    await gate;
  };
  const followed = (more: object = {}): Running =>
    sourceWithOffsetContext(settings(more))
      .mapAsync(4, ({ offset }) => seen(offset))
      .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
      .run({ clock });
  const explicit = (): Running =>
    committableSource(settings())
      .mapAsync(4, (message) => seen(message.record.offset).then(() => message.offset))
      .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
      .run({ clock });

  const stored = (): number | undefined => kafka.committed("g")[0]?.offset;
  const until = (count: number): Promise<void> => passUntil(clock, () => read.length === count, `${count} records`);
  const drained = (control: Running): Promise<unknown> => passing(clock, control.drainAndShutdown(), "the drain");
  const lag = async (control: Running): Promise<number | undefined> =>
    (await passing(clock, control.lag(), "the lag"))[0]?.lag;

  describe("is not committed", () => {
    for (const [surface, run] of [
      ["followed", followed],
      ["explicit", explicit],
    ] as const) {
      it(`while a record below it is unfinished (${surface})`, async () => {
        let open: () => void = () => undefined;
        gate = new Promise((resolve) => (open = resolve));
        append(2);
        await transaction(2, "abort");
        const control = run();
        await until(2);
        await clock.advance(10_000);
        expect(stored()).to.equal(undefined);
        open();
        await clock.advance(5000);
        expect(stored()).to.equal(5);
        await drained(control);
      });
    }

    it("where records below it were read and dropped by a stream that failed", async () => {
      append(6);
      await transaction(2, "abort");
      const control = sourceWithOffsetContext(settings())
        .map(({ offset }) => {
          read.push(offset);
          if (offset === 3) throw new Error("3");
        })
        .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
        .run({ clock });
      const failed = control.streamCompletion.catch((error: unknown) => error);
      await passing(clock, failed, "the failure");
      await passing(
        clock,
        control.isShutdown.catch(() => undefined),
        "the end",
      );
      expect(stored() ?? 0).to.be.at.most(3);
    });

    it("where records below it wait while the consumer is drained", async () => {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => (open = resolve));
      append(600);
      await transaction(2, "abort");
      const control = followed({ maxInFlight: 8 });
      await until(4);
      await clock.advance(5000);
      const draining = control.drainAndShutdown();
      await clock.advance(200);
      open();
      await passing(clock, draining, "the drain");
      expect(stored()).to.equal(read.length);
      expect(read.length).to.be.lessThan(600);
    });

    it("beyond the bound of a bounded source", async () => {
      append(3);
      const control = followed({ until: "end" });
      await transaction(2, "commit");
      append(2);
      await passing(clock, control.streamCompletion, "the end");
      expect(stored()).to.equal(3);
    });

    it("by a source that commits nothing", async () => {
      append(2);
      await transaction(2, "abort");
      const control = plainSource(settings({ autoOffsetReset: "earliest" }))
        .map(({ offset }) => void read.push(offset))
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock });
      await until(2);
      await clock.advance(5000);
      expect(stored()).to.equal(undefined);
      expect(await lag(control)).to.equal(0);
      await drained(control);
    });

    it("by a group that begins at the end and has read nothing", async () => {
      append(2);
      await transaction(2, "abort");
      const control = followed({ autoOffsetReset: "latest" });
      await clock.advance(5000);
      expect(stored()).to.equal(undefined);
      await drained(control);
    });
  });

  for (const [surface, run] of [
    ["followed", followed],
    ["explicit", explicit],
  ] as const) {
    it(`is committed behind a marker, and the lag is 0 (${surface})`, async () => {
      await transaction(3, "commit");
      const control = run();
      await until(3);
      await clock.advance(5000);
      expect({ stored: stored(), lag: await lag(control) }).to.deep.equal({ stored: 4, lag: 0 });
      await drained(control);
    });

    it(`is committed behind what a transaction took back while the group reads (${surface})`, async () => {
      append(1);
      const control = run();
      await until(1);
      await transaction(3, "abort");
      await clock.advance(5000);
      expect({ stored: stored(), lag: await lag(control) }).to.deep.equal({ stored: 5, lag: 0 });
      append(1);
      await until(2);
      await clock.advance(5000);
      expect({ read, stored: stored() }).to.deep.equal({ read: [0, 5], stored: 6 });
      await drained(control);
    });
  }

  for (const [surface, run, what, position] of [
    ["followed", followed, "is committed by a group", 6],
    // Whether anybody is going to commit is known when somebody has.
    ["explicit", explicit, "is left by a group", 2],
  ] as const) {
    it(`${what} that comes back to nothing else (${surface})`, async () => {
      append(2);
      const before = run();
      await until(2);
      await drained(before);
      await transaction(3, "abort");
      const control = run();
      await clock.advance(5000);
      await drained(control);
      expect(stored()).to.equal(position);
    });
  }

  it("is committed where there is nothing else at all", async () => {
    await transaction(6, "abort");
    const control = followed();
    await clock.advance(5000);
    expect(stored()).to.equal(7);
    await drained(control);
  });
});
