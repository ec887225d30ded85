import { committerSink, DrainingControl, sourceWithOffsetContext, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

interface Told {
  readonly from: number;
  readonly to: number;
}

describe("records that are removed before a group has read them", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let told: Told[];
  let read: number[];

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 11, clock });
    kafka.createTopic("t", 1);
    told = [];
    read = [];
  });

  const append = (count: number): void =>
    kafka.append("t", 0, ...Array.from({ length: count }, () => ({ value: "v" })));
  const run = (settings: object = {}): DrainingControl<unknown> => {
    const logger = {
      ...{ debug: () => undefined, info: () => undefined, error: () => undefined },
      warn: (message: string, meta?: object) => {
        if (message.includes("removed before they were read")) told.push(meta as Told);
      },
    };
    return sourceWithOffsetContext({
      kafka: { brokers: "x:1", groupId: "g", driver: kafka.driver, logger },
      ...{ topics: ["t"], value: string(), autoOffsetReset: "earliest" as const, ...settings },
    })
      .map(({ offset }) => void read.push(offset))
      .toMat(committerSink({ maxIntervalMs: 100 }), DrainingControl.from)
      .run({ clock });
  };
  const until = (count: number): Promise<void> => passUntil(clock, () => read.length >= count, `${count} records`);
  const ranges = (): string[] => told.map(({ from, to }) => `${from}-${to}`);
  const drained = (control: DrainingControl<unknown>): Promise<unknown> =>
    passing(clock, control.drainAndShutdown(), "the drain");
  /** The group has read so many and is gone. */
  const readBefore = async (count: number): Promise<void> => {
    append(count);
    const control = run();
    await until(count);
    await drained(control);
    read = [];
  };

  for (const [name, settings] of [
    ["", {}],
    [", with offsetResetProtection", { offsetResetProtection: {} }],
    [", with rememberFinished", { rememberFinished: {} }],
  ] as const) {
    it(`are logged once, counted and explained, where it was away${name}`, async () => {
      await readBefore(10);
      append(30);
      kafka.deleteRecords("t", 0, 25);
      const control = run(settings);
      await until(15);
      await clock.advance(1000);
      expect(read[0]).to.equal(25);
      expect(ranges()).to.deep.equal(["10-25"]);
      expect(control.metrics().removedOffsets).to.equal(15);
      expect(control.explain().partitions[0]?.removed).to.equal(15);
      expect(control.explain().toString()).to.include("the records of 15 offsets were removed before they were read");
      await drained(control);
    });
  }

  it("are logged where it was slow", async () => {
    append(10);
    const control = run();
    await until(10);
    control.pause();
    await clock.advance(1000);
    append(3000);
    kafka.deleteRecords("t", 0, 3005);
    control.resume();
    await until(15);
    expect(read[10]).to.equal(3005);
    expect(ranges()).to.deep.equal(["10-3005"]);
    expect(control.metrics().removedOffsets).to.equal(2995);
    await drained(control);
  });

  it("are logged where nothing is left of what it has not read, once there is more", async () => {
    await readBefore(10);
    append(5);
    kafka.deleteRecords("t", 0, 15);
    const control = run();
    await clock.advance(1000);
    append(1);
    await until(1);
    await clock.advance(1000);
    expect(ranges()).to.deep.equal(["10-15"]);
    await drained(control);
  });

  it("are not what others removed of what it had read", async () => {
    await readBefore(10);
    kafka.deleteRecords("t", 0, 10);
    append(5);
    const control = run();
    await until(5);
    kafka.deleteRecords("t", 0, 15);
    append(5);
    await until(10);
    await drained(control);
    expect(told).to.deep.equal([]);
  });

  it("are not the holes that compaction and transactions leave", async () => {
    append(3);
    kafka.deleteRecords("t", 0, 2);
    const control = run();
    await until(1);
    kafka.skipOffsets("t", 0, 4);
    append(2);
    await until(3);
    const sender = new Sender(kafka, "p", { "transactional.id": "x" });
    await passing(clock, sender.client.connect(), "a connection");
    await passing(clock, sender.transactions.init(1000), "init");
    await sender.transactions.begin();
    sender.send("t", 0, "v");
    await passing(clock, sender.transactions.commit(1000), "the commit");
    append(2);
    await until(6);
    await drained(control);
    await passing(clock, sender.client.close(), "the sender to close");
    expect(told).to.deep.equal([]);
  });

  it("are not those before a beginning that the group never had a position in", async () => {
    append(10);
    kafka.deleteRecords("t", 0, 5);
    const control = run();
    await until(5);
    await clock.advance(1000);
    expect(told).to.deep.equal([]);
    await drained(control);
  });
});
