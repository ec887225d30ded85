import { SimulatedKafka, type SimulatedFaults } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Sender } from "./support/sender.js";
import { passing } from "./support/virtual-time.js";

const LOSSES = { requestLossRate: 0.2, answerLossRate: 0.2 } as const;
const CARELESS = { "enable.idempotence": false } as const;

describe("a simulated producer that sends again", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let toClose: Sender[];

  const sender = async (faults: Partial<SimulatedFaults>, properties = {}, seed = 1): Promise<Sender> => {
    kafka = new SimulatedKafka({ seed, clock, faults });
    kafka.createTopic("t", 1);
    const made = new Sender(kafka, "p", properties);
    toClose.push(made);
    await passing(clock, made.client.connect(), "a connection");
    return made;
  };
  const values = (): string[] => kafka.records("t", 0).map(({ value }) => String(value));
  const numbers = Array.from({ length: 60 }, (_, index) => String(index));
  const sendAll = async (of: Sender): Promise<void> => {
    for (const number of numbers) {
      of.send("t", 0, number);
      await clock.advance(3);
    }
    await passing(clock, of.client.flush(600_000), "reports", 600_000);
  };
  const inOrder = (of: readonly string[]): boolean =>
    of.every((value, index) => index === 0 || Number(of[index - 1]) <= Number(value));

  beforeEach(() => {
    clock = virtualClock();
    toClose = [];
  });
  afterEach(() => passing(clock, Promise.all(toClose.map(({ client }) => client.close())), "all clients to close"));

  it("gives up after message.timeout.ms, whether the records are stored or not", async () => {
    for (const fault of ["requestLossRate", "answerLossRate"] as const) {
      const one = await sender({ [fault]: 1 }, { "message.timeout.ms": 2000 });
      const at = clock.now();
      one.send("t", 0, "a");
      await passing(clock, one.client.flush(5000), "a report");
      expect(clock.now() - at).to.be.within(1990, 2050);
      expect(one.failed.get("a")).to.include({ code: "PRODUCE_FAILED", clientCode: -192 });
      expect(values()).to.deep.equal(fault === "requestLossRate" ? [] : ["a"]);
    }
  });

  it("sends nothing again once it is killed, and nothing that follows what was lost", async () => {
    const one = await sender({ requestLossRate: 0.3, appendDelayMs: [5, 50] });
    one.send("t", 0, ...numbers);
    await clock.advance(20);
    kafka.kill("p");
    await clock.advance(60_000);
    const stored = values();
    expect(stored).to.deep.equal(numbers.slice(0, stored.length));
    expect(stored.length).to.be.lessThan(numbers.length);
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`neither doubles nor reorders by default, nor with acknowledgements out of order (seed ${seed})`, async () => {
      const one = await sender(LOSSES, {}, seed);
      await sendAll(one);
      expect(values()).to.deep.equal(numbers);
      expect(one.acknowledged).to.deep.equal(numbers);
    });
  }

  it("doubles and reorders without idempotence", async () => {
    const one = await sender(LOSSES, CARELESS);
    await sendAll(one);
    expect(new Set(values())).to.deep.equal(new Set(numbers));
    expect(values().length).to.be.greaterThan(numbers.length);
    expect(inOrder(values())).to.equal(false);
    expect(inOrder(one.acknowledged), "acknowledgements overtake").to.equal(false);
  });

  it("doubles, but does not reorder, with one request in flight", async () => {
    const one = await sender(LOSSES, { ...CARELESS, "max.in.flight": 1 });
    await sendAll(one);
    expect(values().length).to.be.greaterThan(numbers.length);
    expect(inOrder(values())).to.equal(true);
  });

  it("takes everything for stored that nobody acknowledges", async () => {
    const one = await sender({ produceErrorRate: 1 }, { acks: 0 });
    await sendAll(one);
    expect(one.acknowledged).to.have.length(numbers.length);
    expect(values()).to.deep.equal([]);
  });

  it("refuses a partitioner that it does not know", () => {
    kafka = new SimulatedKafka({ seed: 1, clock });
    expect(() => new Sender(kafka, "p", { partitioner: "murmur2" })).to.throw("murmur2");
  });

  it("places keys as librdkafka does, and keeps to one partition for a while without a key", async () => {
    const one = await sender({});
    kafka.createTopic("many", 12);
    const partitionsOf = async (keys: readonly (string | null)[]): Promise<readonly number[]> => {
      const before = Array.from({ length: 12 }, (_, partition) => kafka.records("many", partition).length);
      const records = keys.map((key) => ({ topic: "many", key: key === null ? null : Buffer.from(key), value: null }));
      one.client.produceBatch(records, 0, 0);
      await passing(clock, one.client.flush(1000), "reports");
      return before.flatMap((count, partition) =>
        kafka
          .records("many", partition)
          .slice(count)
          .map(() => partition),
      );
    };
    // CRC-32 of "123456789" is 0xcbf43926, the check value of that code.
    expect(await partitionsOf(["123456789"])).to.deep.equal([0xcbf43926 % 12]);
    expect(new Set(await partitionsOf(Array.from({ length: 10 }, () => null)))).to.have.property("size", 1);
    const later = new Set<number | undefined>();
    for (let turn = 0; turn < 20; turn++) {
      later.add((await partitionsOf([null]))[0]);
      await clock.advance(50);
    }
    expect(later.size).to.be.greaterThan(3);
  });
});
