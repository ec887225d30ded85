import type {
  ConsumerClient,
  DeliveryReports,
  KafkaConnectorError,
  OutgoingRecord,
  ProducerClient,
  RecordChunk,
} from "@millrace/kafka";
import { SimulatedKafka, type SimulatedFaults } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Member } from "./support/member.js";
import { passing, passUntil } from "./support/virtual-time.js";

const text = (value: string): Buffer => Buffer.from(value);
const record = (value: string, partition?: number): OutgoingRecord => ({
  topic: "t",
  key: null,
  value: text(value),
  ...(partition === undefined ? undefined : { partition }),
});

describe("a client of a simulated cluster", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let toClose: { close(): Promise<unknown> }[];

  const make = (faults: Partial<SimulatedFaults> = {}, partitions = 2): void => {
    kafka = new SimulatedKafka({ seed: 3, clock, faults });
    kafka.createTopic("t", partitions);
  };
  const rejection = async (promise: Promise<unknown>): Promise<KafkaConnectorError> => {
    const answer = promise.then(
      () => undefined,
      (error: unknown) => error,
    );
    return (await passing(clock, answer, "an answer")) as KafkaConnectorError;
  };
  const values = (partition: number): string[] => kafka.records("t", partition).map(({ value }) => String(value));

  beforeEach(() => {
    clock = virtualClock();
    toClose = [];
  });
  afterEach(() => passing(clock, Promise.all(toClose.map((each) => each.close())), "all clients to close"));

  describe("that produces", () => {
    let reports: {
      readonly id: number;
      readonly partition: number;
      readonly offset: number;
      readonly error: unknown;
    }[];
    let errors: Error[];
    const producer = async (properties = {}): Promise<ProducerClient> => {
      reports = [];
      errors = [];
      const client = kafka.driver.producer(
        { "client.id": "p", ...properties },
        {
          onReports: ({ ids, partitions, offsets, errors: failures }: DeliveryReports) => {
            ids.forEach((id, index) => {
              const [partition, offset] = [partitions[index] as number, offsets[index] as number];
              reports.push({ id, partition, offset, error: failures[index] });
            });
          },
          onError: (error) => errors.push(error),
        },
      );
      toClose.push(client);
      await passing(clock, client.connect(), "a connection");
      return client;
    };

    it("hears of a failure, and nothing is stored", async () => {
      make({ produceErrorRate: 1 });
      const client = await producer();
      client.produceBatch([record("a", 0)], 0, 0);
      await passing(clock, client.flush(1000), "reports");
      expect(reports[0]?.error).to.include({ code: "PRODUCE_FAILED", clientCode: -192 });
      expect((reports[0]?.error as Error).message).to.contain("seed 3");
      expect(values(0)).to.deep.equal([]);
    });

    it("hears of a failure where an acknowledgement is lost, and the record is stored", async () => {
      make({ ackLossRate: 1 });
      const client = await producer();
      client.produceBatch([record("a", 0)], 0, 0);
      await passing(clock, client.flush(1000), "reports");
      expect(reports[0]?.error).to.include({ code: "PRODUCE_FAILED" });
      expect(values(0)).to.deep.equal(["a"]);
    });

    it("throws for a record that can never be sent, and queues what comes before it", async () => {
      make();
      const client = await producer();
      const records = [record("a", 0), record("b", 9)];
      expect(client.produceBatch(records, 0, 0)).to.equal(1);
      expect(() => client.produceBatch(records, 1, 0)).to.throw("none of number 9");
      expect(client.outstanding).to.equal(1);
    });

    it("learns by a report that there is no topic, and refuses the next record for it", async () => {
      make();
      const client = await producer();
      const lost = { ...record("a"), topic: "nowhere" };
      expect(client.produceBatch([lost], 0, 0)).to.equal(1);
      await passing(clock, client.flush(1000), "a report");
      expect(reports[0]?.error).to.include({ code: "PRODUCE_FAILED", clientCode: 3 });
      expect(() => client.produceBatch([lost], 0, 1)).to.throw("no topic nowhere");
    });

    it("takes no more than its queue holds, and rejects a flush that takes too long", async () => {
      make({ ackDelayMs: [500, 500] });
      const client = await producer({ "queue.buffering.max.messages": 2 });
      expect(client.produceBatch([record("a"), record("b"), record("c")], 0, 0)).to.equal(2);
      expect(client.produceBatch([record("c")], 0, 2)).to.equal(0);
      expect(await rejection(client.flush(100))).to.include({ code: "FLUSH_TIMEOUT", retriable: true });
    });

    it("keeps the order within a partition, while partitions overtake each other", async () => {
      make({ appendDelayMs: [0, 50], ackDelayMs: [0, 50], partialAcceptRate: 0.5 });
      const client = await producer();
      const records = Array.from({ length: 40 }, (_, index) => record(String(index), index % 2));
      for (let sent = 0; sent < records.length; ) {
        sent += client.produceBatch(records.slice(0, sent + 1), sent, 0);
        await clock.advance(3);
      }
      await passing(clock, client.flush(5000), "reports");
      for (const partition of [0, 1]) {
        const own = records.filter((each) => each.partition === partition).map(({ value }) => String(value));
        expect(values(partition)).to.deep.equal(own);
        expect(reports.filter((each) => each.partition === partition).map(({ id }) => String(id))).to.deep.equal(own);
      }
      const ids = reports.map(({ id }) => id);
      expect(ids).not.to.deep.equal([...ids].sort((a, b) => a - b));
    });

    it("sends records of one key to one partition", async () => {
      make();
      const client = await producer();
      for (let id = 0; id < 10; id++) client.produceBatch([{ ...record("v"), key: text("k") }], 0, id);
      await passing(clock, client.flush(1000), "reports");
      expect(new Set(reports.map(({ partition }) => partition)).size).to.equal(1);
    });

    it("hears nothing more once it is killed, and what has not left it is never stored", async () => {
      make({ appendDelayMs: [10, 50] });
      const client = await producer();
      for (let id = 0; id < 20; id++) client.produceBatch([record(String(id), 0)], 0, id);
      kafka.kill("p");
      await clock.advance(1000);
      expect(reports).to.deep.equal([]);
      const stored = values(0);
      expect(stored.length).to.be.lessThan(20);
      expect(stored).to.deep.equal(stored.map((_, index) => String(index)));
    });

    it("waits while no broker is reachable", async () => {
      make();
      const client = await producer();
      client.produceBatch([record("a", 0)], 0, 0);
      kafka.outage(5000);
      await clock.advance(4900);
      expect([values(0), reports]).to.deep.equal([[], []]);
      await passing(clock, client.flush(1000), "reports");
      expect(values(0)).to.deep.equal(["a"]);
      expect(errors[0]).to.include({ clientCode: -195, fatal: false });
    });
  });

  describe("that consumes", () => {
    const alone = (of: Partial<{ offset: number | "beginning" | "end"; reset: string }> = {}): Member => {
      const made = new Member(kafka, "c", { "auto.offset.reset": of.reset ?? "earliest" });
      toClose.push(made);
      const at = of.offset === undefined ? undefined : { offset: of.offset };
      return made.start({ kind: "assignment", partitions: [{ topic: "t", partition: 0, ...at }] });
    };
    const append = (...numbers: number[]): void =>
      kafka.append("t", 0, ...numbers.map((number) => ({ value: String(number) })));
    const committed = async (client: ConsumerClient) =>
      (await passing(clock, client.committed([{ topic: "t", partition: 0 }], 1000), "positions"))[0];

    it("fails to read a partition without a position where auto.offset.reset is error", async () => {
      make();
      append(1);
      const one = alone({ reset: "error" });
      await passUntil(clock, () => one.errors.length > 0, "an error");
      expect(one.errors[0]).to.include({ code: "POLL_FAILED", clientCode: -140, retriable: false });
    });

    it("serves the answer to a commit only while it polls", async () => {
      make();
      const one = alone();
      await clock.advance(100);
      await passing(clock, one.stall(), "the poll to end");
      let answered = false;
      const committing = one.client.commit([{ topic: "t", partition: 0, offset: 0 }]).then(() => {
        answered = true;
      });
      await clock.advance(1000);
      expect(answered).to.equal(false);
      expect(kafka.committed("g")).to.deep.equal([{ topic: "t", partition: 0, offset: 0 }]);
      one.resume();
      await passing(clock, committing, "an answer");
    });

    it("refuses commits with the codes asked for, stored or not", async () => {
      make({ commitErrorRate: 1 });
      const one = alone();
      await clock.advance(100);
      const commit = (offset: number) => rejection(one.client.commit([{ topic: "t", partition: 0, offset }]));
      expect(await commit(1)).to.include({ code: "COMMIT_FAILED", retriable: true });
      kafka.setFaults({ commitErrorRate: 0, commitRefusalRate: 1 });
      expect(await commit(2)).to.include({ code: "COMMIT_FAILED", retriable: false });
      expect(await committed(one.client)).to.equal(undefined);
      kafka.setFaults({ commitRefusalRate: 0, commitLossRate: 1 });
      expect(await commit(3)).to.include({ code: "COMMIT_FAILED", clientCode: -185, retriable: true });
      expect(await committed(one.client)).to.include({ offset: 3 });
    });

    it("allows one commit and one poll at a time", async () => {
      make();
      const one = alone();
      await clock.advance(100);
      const first = one.client.commit([{ topic: "t", partition: 0, offset: 0 }]);
      expect(await rejection(one.client.commit([{ topic: "t", partition: 0, offset: 0 }]))).to.include({
        code: "COMMIT_FAILED",
      });
      expect(await rejection(one.client.poll({ maxRecords: 1, waitMs: 0 }))).to.include({ code: "POLL_FAILED" });
      await passing(clock, first, "an answer");
    });

    it("refuses a commit by a consumer that assigns itself while the group has members", async () => {
      make();
      const one = alone();
      const other = new Member(kafka, "d").start();
      toClose.push(other);
      await passUntil(clock, () => other.owned.size === 2, "an assignment");
      expect(await rejection(one.client.commit([{ topic: "t", partition: 0, offset: 0 }]))).to.include({
        clientCode: 25,
      });
    });

    it("does not answer while no broker is reachable", async () => {
      make();
      const one = alone();
      await clock.advance(100);
      kafka.outage(5000);
      append(1);
      expect(await rejection(one.client.watermarks({ topic: "t", partition: 0 }, 1000))).to.include({
        clientCode: -185,
      });
      expect(one.read).to.deep.equal([]);
      await passUntil(clock, () => one.read.length === 1, "the record");
      expect(one.errors[0]).to.include({ clientCode: -195 });
    });

    it("starts where its settings say: at an offset, an end, what is committed, or by auto.offset.reset", async () => {
      for (const [from, expected] of [
        [{ offset: 1 }, [1, 2, 3]],
        [{ offset: "beginning" }, [0, 1, 2, 3]],
        [{ offset: "end" }, [3]],
        [{ reset: "latest" }, [3]],
        [{ reset: "earliest" }, [0, 1, 2, 3]],
      ] as const) {
        make();
        append(0, 1, 2);
        const one = alone(from);
        await clock.advance(50);
        append(3);
        await clock.advance(200);
        expect(one.read, JSON.stringify(from)).to.deep.equal(expected.map((offset) => `t-0@${offset}`));
        await passing(clock, one.client.commit([{ topic: "t", partition: 0, offset: 2 }]), "an answer");
        await passing(clock, one.close(), "closing");
        const next = alone({ reset: "latest" });
        await clock.advance(200);
        expect(next.read).to.deep.equal(["t-0@2", "t-0@3"]);
      }
    });

    it("reads nothing of what is paused, and goes on where it was", async () => {
      make();
      append(0);
      const one = alone();
      await passUntil(clock, () => one.read.length === 1, "a record");
      one.client.pause([{ topic: "t", partition: 0 }]);
      append(1, 2);
      await clock.advance(500);
      expect(one.read.length).to.equal(1);
      one.client.resume([{ topic: "t", partition: 0 }]);
      await passUntil(clock, () => one.read.length === 3, "the others");
      expect(one.read).to.deep.equal(["t-0@0", "t-0@1", "t-0@2"]);
    });

    it("gives chunks whose runs cover them, with metadata and timestamps", async () => {
      make();
      await clock.advance(42);
      kafka.append("t", 0, { key: "k", value: "v" }, { value: null });
      kafka.append("t", 1, { value: "w" });
      const client = kafka.driver.consumer({ "group.id": "g" }, { onAssign() {}, onRevoke() {}, onError() {} });
      toClose.push(client);
      await passing(clock, client.connect(), "a connection");
      const partitions = [0, 1].map((partition) => ({ topic: "t", partition, offset: 0 }));
      client.subscribe({ kind: "assignment", partitions });
      const chunks: RecordChunk[] = [];
      let total = 0;
      while (total < 3) {
        const chunk = await passing(clock, client.poll({ maxRecords: 3, waitMs: 10 }), "a chunk");
        if (chunk) chunks.push(chunk);
        total += chunk?.length ?? 0;
      }
      const seen = chunks.flatMap((chunk) =>
        chunk.runs().flatMap(({ partition, from, to, lastOffset }) => {
          expect(chunk.offset(to - 1)).to.equal(lastOffset);
          return Array.from({ length: to - from }, (_, index) => {
            const at = from + index;
            return `${partition}@${chunk.offset(at)} ${String(chunk.key(at))} ${String(chunk.value(at))} ${chunk.timestamp(at)}`;
          });
        }),
      );
      expect(seen.sort()).to.deep.equal(["0@0 k v 42", "0@1 null null 42", "1@0 null w 42"]);
      chunks[0]?.release();
      expect(() => chunks[0]?.value(0)).to.throw(RangeError);
    });
  });
});
