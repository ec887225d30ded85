import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { rejection } from "./support/rejection.js";
import { Sender } from "./support/sender.js";
import { passing, passUntil } from "./support/virtual-time.js";

const AWAY_MS = 5000;

describe("a broker of a simulated cluster that is away", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let toClose: { close(): Promise<unknown> }[];

  beforeEach(() => {
    clock = virtualClock();
    toClose = [];
    kafka = new SimulatedKafka({ seed: 4, clock, brokers: 3 });
    kafka.createTopic("t", 3);
  });
  afterEach(() => passing(clock, Promise.all(toClose.map((each) => each.close())), "all clients to close"));

  const reader = (): Member => {
    const made = new Member(kafka, "c");
    toClose.push(made);
    const partitions = [0, 1, 2].map((partition) => ({ topic: "t", partition, offset: 0 }));
    return made.start({ kind: "assignment", partitions });
  };
  const sender = async (properties = {}): Promise<Sender> => {
    const made = new Sender(kafka, "p", properties);
    toClose.push(made.client);
    await passing(clock, made.client.connect(), "a connection");
    return made;
  };

  it("must be one of the cluster", () => {
    expect(() => kafka.restartBroker(4, 1)).to.throw("no broker 4");
    expect(() => kafka.restartBroker(0, 1)).to.throw("no broker 0");
    expect(() => new SimulatedKafka({ seed: 1, clock, brokers: 0 })).to.throw("1 broker or more");
  });

  it("holds up the partitions that it leads, while others go on", async () => {
    const [one, consumer] = [await sender(), reader()];
    await clock.advance(100);
    expect([0, 1, 2].map((partition) => kafka.leaderOf("t", partition))).to.deep.equal([1, 2, 3]);
    kafka.restartBroker(2, AWAY_MS);
    for (const partition of [0, 1, 2]) one.send("t", partition, String(partition));
    await clock.advance(AWAY_MS - 200);
    expect(one.acknowledged.toSorted()).to.deep.equal(["0", "2"]);
    expect(consumer.read.toSorted()).to.deep.equal(["t-0@0", "t-2@0"]);
    for (const errors of [one.errors, consumer.errors]) {
      expect(errors[0]).to.include({ clientCode: -195, retriable: true, fatal: false });
    }
    await passUntil(clock, () => consumer.read.length === 3, "the last record", 500);
    await passing(clock, one.client.flush(100), "its report");
  });

  it("answers for none of its partitions, while others do", async () => {
    const consumer = reader();
    await clock.advance(100);
    kafka.restartBroker(1, AWAY_MS);
    const ask = (partition: number) => consumer.client.watermarks({ topic: "t", partition }, 1000);
    expect(await rejection(clock, ask(0))).to.include({ clientCode: -185 });
    expect(await passing(clock, ask(1), "watermarks")).to.deep.equal({ low: 0, high: 0 });
  });

  it("holds up the groups that it coordinates, and costs no member its place", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `group-${index}`);
    const members = names.map((name) => {
      const made = new Member(kafka, name, { "group.id": name, "session.timeout.ms": 2000 });
      toClose.push(made);
      return made.start();
    });
    await passUntil(clock, () => members.every(({ owned }) => owned.size === 3), "assignments");
    kafka.restartBroker(1, AWAY_MS);
    let answered = 0;
    const commits = members.map(async ({ client }) => {
      await client.commit([{ topic: "t", partition: 0, offset: 1 }]).catch((error: unknown) => {
        // What an outage holds up may be refused when the broker is back.
        expect(error).to.include({ clientCode: 16, retriable: true });
      });
      answered += 1;
    });
    await clock.advance(AWAY_MS - 200);
    expect(answered, "the other brokers' groups").to.be.within(1, names.length - 1);
    await passing(clock, Promise.all(commits), "the others");
    await clock.advance(2 * AWAY_MS);
    for (const { told } of members) expect(told).to.deep.equal(["+t-0 t-1 t-2"]);
  });

  it("holds up the transactions that it coordinates, and those that write to it", async () => {
    for (const broker of [1, 2, 3]) {
      const one = await sender({ "transactional.id": `x-${broker}` });
      const { transactions } = one;
      await passing(clock, transactions.init(1000), "init");
      await transactions.begin();
      one.send("t", 0, "a");
      await passing(clock, one.client.flush(1000), "a report");
      kafka.restartBroker(broker, AWAY_MS);
      const at = clock.now();
      await passing(clock, transactions.commit(2 * AWAY_MS), "a commit");
      const stored = () => kafka.records("t", 0, "read_committed").length === broker;
      await passUntil(clock, stored, "the record", 2 * AWAY_MS);
      // Broker 1 leads the partition; another coordinates the transaction, or none of it is away.
      if (broker === 1) expect(clock.now() - at).to.be.at.least(AWAY_MS);
      await clock.advance(AWAY_MS);
    }
  });
});
