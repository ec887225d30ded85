import { stat } from "node:fs/promises";
import { expect } from "chai";
import { beginning, Clients, pollUntil, pollWhile, type Read, rejectionOf } from "./support/clients.js";
import { KafkaConnectorError, type Subscription, tested } from "./support/driver.js";
import { type MockCluster, startMockCluster } from "./support/mock-cluster.js";

const values = (read: readonly Read[]): (string | null)[] => read.map(({ value }) => value);

const never = (): Promise<void> => new Promise<void>(() => undefined);

describe(`the driver over ${tested.driver.name} on librdkafka's mock cluster`, function () {
  this.timeout(30_000);

  let cluster: MockCluster;
  let clients: Clients;

  before(async () => {
    cluster = await startMockCluster();
  });
  after(() => cluster.stop());
  beforeEach(() => {
    clients = new Clients(cluster.brokers);
  });
  afterEach(() => clients.close());

  describe("connect and properties", () => {
    it("rejects with CONNECT_FAILED that names the brokers and the next step when none answers", async () => {
      const nowhere = new Clients("127.0.0.1:1");
      const error = await rejectionOf(nowhere.consumer({}, beginning("t"), {}, { connectMs: 300 }));
      expect(error).to.include({ code: "CONNECT_FAILED", clientCode: -195, retriable: true });
      expect(error.message).to.contain("127.0.0.1:1").and.to.contain("Check `bootstrap.servers`");
      await nowhere.close();
    });

    it("throws INVALID_SETTINGS for a property librdkafka does not know", () => {
      const listener = { onReports: () => undefined, onError: () => undefined };
      expect(() => tested.driver.producer({ "no.such.property": 1 }, listener))
        .to.throw(KafkaConnectorError, "no.such.property")
        .with.property("code", "INVALID_SETTINGS");
    });

    it("lets acks: 1 through although idempotence is the default", async () => {
      const { producer, errors } = await clients.producer({ acks: 1 });
      producer.produceBatch([{ topic: "acks", key: null, value: Buffer.from("x") }], 0, 0);
      await producer.flush(5000);
      expect(errors).to.deep.equal([]);
    });
  });

  describe("the producer", () => {
    it("reports a timed-out message with code -192, so message.timeout.ms reached the topic level", async () => {
      const lonely = await startMockCluster();
      const others = new Clients(lonely.brokers);
      const { producer, errors } = await others.producer({ "message.timeout.ms": 300, "linger.ms": 0 });
      await lonely.stop();
      producer.produceBatch([{ topic: "t", key: null, value: Buffer.from("x") }], 0, 7);
      await producer.flush(10_000);
      expect(errors).to.have.length(1);
      expect(errors[0]).to.include({ code: "PRODUCE_FAILED", clientCode: -192, retriable: true });
      await others.close();
    });

    it("delivers 5000 reports when closed right after 5000 records, in few hand-overs", async () => {
      const { producer, ids, errors, handOvers } = await clients.producer();
      const batch = Array.from({ length: 5000 }, (_, index) => ({
        topic: "many",
        key: null,
        value: Buffer.from(String(index)),
      }));
      expect(producer.produceBatch(batch, 0, 1_000_000)).to.equal(5000);
      await producer.close();
      expect(errors).to.deep.equal([]);
      expect([...ids].sort((a, b) => a - b)).to.deep.equal(batch.map((_, index) => 1_000_000 + index));
      expect(producer.outstanding).to.equal(0);
      expect(handOvers.length).to.be.at.most(500);
    });

    it("closes quickly with drop although the broker is gone and the queue is full", async () => {
      const lonely = await startMockCluster();
      const others = new Clients(lonely.brokers);
      const { producer } = await others.producer();
      await lonely.stop();
      const batch = Array.from({ length: 20_000 }, () => ({ topic: "t", key: null, value: Buffer.alloc(100) }));
      expect(producer.produceBatch(batch, 0, 0)).to.equal(10_000);
      const began = performance.now();
      await producer.close({ drop: true });
      expect(performance.now() - began).to.be.lessThan(2000);
    });

    it("takes fewer than given when its queue is full, and the rest after the reports", async () => {
      const { producer, ids } = await clients.producer({ "queue.buffering.max.messages": 10 });
      const batch = Array.from({ length: 25 }, () => ({ topic: "full", key: null, value: Buffer.from("x") }));
      let from = producer.produceBatch(batch, 0, 0);
      expect(from).to.equal(10);
      while (from < batch.length) {
        await producer.flush(5000);
        from += producer.produceBatch(batch, from, 0);
      }
      await producer.close();
      expect(ids).to.have.length(25);
    });

    it("throws INVALID_RECORD for a record the broker would refuse for its size", async () => {
      const { producer } = await clients.producer();
      expect(() => producer.produceBatch([{ topic: "big", key: null, value: Buffer.alloc(2_000_000) }], 0, 0))
        .to.throw(KafkaConnectorError)
        .with.include({ code: "INVALID_RECORD", clientCode: 10 });
    });

    it("leaves no timer and no handle behind", async () => {
      const kinds = (): string[] =>
        process.getActiveResourcesInfo().filter((kind) => ["Timeout", "Immediate"].includes(kind));
      // Mocha's own timer starts once the test has returned its promise.
      await new Promise(setImmediate);
      const before = kinds();
      const { producer } = await clients.producer();
      producer.produceBatch([{ topic: "timers", key: null, value: Buffer.from("x") }], 0, 0);
      await producer.flush(5000);
      expect(kinds(), "after flush").to.deep.equal(before);
      await producer.close();
      expect(kinds(), "after close").to.deep.equal(before);
    });
  });

  describe("a record", () => {
    it("keeps UTF-8 headers, repeated and empty ones too", async () => {
      const headers = [
        ["a", Buffer.from("é✓")],
        ["a", Buffer.from("2")],
        ["empty", Buffer.alloc(0)],
        ["__proto__", Buffer.from("p")],
      ] as const;
      await clients.produce("headers", { value: Buffer.from("v"), headers });
      const [read] = await pollUntil(await clients.consumer({}, beginning("headers")), ({ length }) => length === 1);
      expect(read?.headers).to.deep.equal(headers);
    });

    it("keeps a null key and a null value, and binary bytes", async () => {
      const bytes = Buffer.from([0, 255, 254, 0]);
      await clients.produce(
        "nulls",
        { key: null, value: null },
        { key: Buffer.from("k"), value: null },
        { key: bytes, value: bytes },
      );
      const consumer = await clients.consumer({}, beginning("nulls"));
      const read = await pollUntil(consumer, ({ length }) => length === 3);
      expect(read.map(({ key, value }) => [key, value])).to.deep.equal([
        [null, null],
        ["k", null],
        [bytes.toString(), bytes.toString()],
      ]);
    });

    it("with an empty key and an empty value is no tombstone, and one with null is", async () => {
      await clients.produce("empty", { key: Buffer.from(""), value: Buffer.from("") });
      await clients.produce("empty", { key: null, value: null });
      const read = await pollUntil(await clients.consumer({}, beginning("empty")), ({ length }) => length === 2);
      expect(read.map(({ key, value }) => [key, value])).to.have.deep.members([
        ["", ""],
        [null, null],
      ]);
    });
  });

  describe("a consumer with a manual assignment", () => {
    it("rejects a poll with code -140 when auto.offset.reset is error, and reads on after a new assignment", async () => {
      await clients.produce("reset", "a");
      const consumer = await clients.consumer(
        { "auto.offset.reset": "error" },
        { kind: "assignment", partitions: [{ topic: "reset", partition: 0, offset: 999 }] },
      );
      const error = await rejectionOf(pollUntil(consumer, () => false));
      expect(error).to.include({ code: "POLL_FAILED", clientCode: -140, fatal: false });
      expect(error.message).to.contain("auto.offset.reset");
      consumer.subscribe(beginning("reset"));
      expect(values(await pollUntil(consumer, ({ length }) => length === 1))).to.deep.equal(["a"]);
    });

    it("starts at the beginning, at an offset, at the committed position, or at the end", async () => {
      await clients.produce("start", "a", "b", "c");
      const properties = { "group.id": "start", "auto.offset.reset": "latest" };
      const at = (offset?: number | "end"): Subscription => ({
        kind: "assignment",
        partitions: [{ topic: "start", partition: 0, ...(offset === undefined ? {} : { offset }) }],
      });
      const consumer = await clients.consumer(properties, beginning("start"));
      expect(values(await pollUntil(consumer, ({ length }) => length >= 3))).to.deep.equal(["a", "b", "c"]);
      consumer.subscribe(at(1));
      expect(values(await pollUntil(consumer, ({ length }) => length >= 2))).to.deep.equal(["b", "c"]);
      await pollWhile(consumer, consumer.commit([{ topic: "start", partition: 0, offset: 2 }]));
      consumer.subscribe(at());
      expect(values(await pollUntil(consumer, ({ length }) => length >= 1))).to.deep.equal(["c"]);
      consumer.subscribe(at("end"));
      let producing: Promise<void> | undefined;
      // The end is where it stands when the consumer asks, so records go on until one arrives.
      const read = await pollUntil(consumer, ({ length }) => {
        producing ??= clients.produce("start", "d").finally(() => {
          producing = undefined;
        });
        return length >= 1;
      });
      await producing;
      expect(new Set(values(read))).to.deep.equal(new Set(["d"]));
    });

    it("commits, reads committed positions without those it has not, and reads watermarks", async () => {
      await clients.produce("commit", "a", "b", "c");
      const consumer = await clients.consumer({}, beginning("commit"));
      await pollWhile(consumer, consumer.commit([{ topic: "commit", partition: 0, offset: 2 }]));
      const asked = [0, 1].map((partition) => ({ topic: "commit", partition }));
      expect(await consumer.committed(asked, 5000)).to.deep.equal([{ topic: "commit", partition: 0, offset: 2 }]);
      expect(await consumer.watermarks({ topic: "commit", partition: 0 }, 5000)).to.deep.equal({ low: 0, high: 3 });
    });

    it("serves a commit that is in flight when it closes", async () => {
      await clients.produce("late-commit", "a");
      const properties = { "group.id": "late-commit" };
      const consumer = await clients.consumer(properties, beginning("late-commit"));
      await pollUntil(consumer, ({ length }) => length === 1);
      const commit = consumer.commit([{ topic: "late-commit", partition: 0, offset: 1 }]);
      await consumer.close();
      await commit;
      const next = await clients.consumer(properties, beginning("late-commit"));
      expect((await next.committed([{ topic: "late-commit", partition: 0 }], 5000))[0]?.offset).to.equal(1);
    });

    it("pauses and resumes, also partitions that it has not", async () => {
      await clients.produce("pause", "a");
      const consumer = await clients.consumer({}, beginning("pause"));
      await pollUntil(consumer, ({ length }) => length === 1);
      const partition = { topic: "pause", partition: 0 };
      consumer.pause([partition, { topic: "pause", partition: 3 }, { topic: "no-such-topic", partition: 0 }]);
      await clients.produce("pause", "b");
      for (let poll = 0; poll < 8; poll++)
        expect(await consumer.poll({ maxRecords: 10, waitMs: 100 })).to.equal(undefined);
      consumer.resume([partition, { topic: "pause", partition: 3 }]);
      expect(values(await pollUntil(consumer, ({ length }) => length === 1))).to.deep.equal(["b"]);
    });

    it("keeps the order of each partition and loses nothing across polls of any size", async () => {
      await clients.produce("order", ...Array.from({ length: 3000 }, (_, index) => String(index)));
      const consumer = await clients.consumer({}, beginning("order"));
      const offsets: number[] = [];
      for (let poll = 0; offsets.length < 3000; poll++) {
        const chunk = await consumer.poll({ maxRecords: 1 + ((poll * 37) % 200), waitMs: 100 });
        for (let index = 0; index < (chunk?.length ?? 0); index++) offsets.push(chunk?.offset(index) as number);
      }
      expect(offsets).to.deep.equal(Array.from({ length: 3000 }, (_, index) => index));
    });

    it("gives full batches from a full queue, and does not hold a trickle for its waits", async () => {
      await clients.produce("rate", ...Array.from({ length: 20_000 }, () => "x"));
      const consumer = await clients.consumer({}, beginning("rate"));
      const lengths: number[] = [];
      for (let sum = 0; sum < 20_000; ) {
        const chunk = await consumer.poll({ maxRecords: 1000, waitMs: 100 });
        if (chunk !== undefined) lengths.push(chunk.length);
        sum += chunk?.length ?? 0;
      }
      expect(lengths.filter((length) => length === 1000).length).to.be.at.least(lengths.length / 2);

      const { producer } = await clients.producer({ "linger.ms": 0 });
      const trickle = setInterval(() => {
        producer.produceBatch([{ topic: "rate", partition: 0, key: null, value: Buffer.from("y") }], 0, 0);
      }, 20);
      try {
        for (let poll = 0; poll < 10; ) {
          const began = performance.now();
          const chunk = await consumer.poll({ maxRecords: 1000, waitMs: 100 });
          // Waiting per record would take up to 1000 × 100 ms.
          expect(performance.now() - began).to.be.lessThan(1000);
          if (chunk !== undefined) poll += 1;
        }
      } finally {
        clearInterval(trickle);
      }
    });

    it("leaves libuv's threads to others when four idle consumers wait", async () => {
      const idle = await Promise.all([0, 1, 2, 3].map((index) => clients.consumer({}, beginning(`idle-${index}`))));
      const waits = idle.map((consumer) => consumer.poll({ maxRecords: 1, waitMs: 1500 }));
      const began = performance.now();
      await stat(".");
      expect(performance.now() - began).to.be.lessThan(600);
      await Promise.all(waits);
    });
  });

  describe("a consumer in a group", () => {
    before(() => new Clients(cluster.brokers).produce("group", "a"));

    it("reads from earliest, so auto.offset.reset reached the topic level, by a pattern without ^", async () => {
      await clients.produce("eu-orders-1", "a");
      await clients.produce("us-orders-2", "b");
      await clients.produce("orders", "no");
      const consumer = await clients.consumer(
        { "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 500 },
        { kind: "pattern", pattern: /(?:eu|us)-orders-\d/ },
      );
      expect(new Set(values(await pollUntil(consumer, ({ length }) => length >= 2)))).to.deep.equal(
        new Set(["a", "b"]),
      );
    });

    it("closes although onRevoke rejects, and reports the rejection", async () => {
      const errors: Error[] = [];
      let assigned = 0;
      const consumer = await clients.consumer(
        {},
        { kind: "topics", topics: ["group"] },
        {
          onAssign: (partitions) => void (assigned += partitions.length),
          onRevoke: () => Promise.reject(new Error("boom")),
          onError: (error) => void errors.push(error),
        },
      );
      await pollUntil(consumer, () => assigned > 0);
      await consumer.close();
      expect(errors).to.have.length(1);
      expect(errors[0]).to.include({ code: "REBALANCE_FAILED" });
    });

    for (const strategy of ["range", "cooperative-sticky"]) {
      it(`closes at its deadline, and is closed, although onRevoke never ends (${strategy})`, async () => {
        let assigned = 0;
        const consumer = await clients.consumer(
          { "partition.assignment.strategy": strategy },
          { kind: "topics", topics: ["group"] },
          { onAssign: (partitions) => void (assigned += partitions.length), onRevoke: never },
          { closeMs: 200 },
        );
        await pollUntil(consumer, () => assigned > 0);
        const error = await rejectionOf(consumer.close());
        expect(error).to.include({ code: "CLOSE_TIMEOUT" });
        expect(error.message).to.contain("It is closed now.");
      });
    }

    it("closes although onAssign has not ended", async () => {
      let end: (() => void) | undefined;
      const consumer = await clients.consumer(
        {},
        { kind: "topics", topics: ["group"] },
        { onAssign: () => new Promise<void>((resolve) => (end = resolve)) },
      );
      await pollUntil(consumer, () => end !== undefined);
      const closed = consumer.close();
      setTimeout(() => end?.(), 50);
      await closed;
    });

    for (const strategy of ["range", "cooperative-sticky"]) {
      it(`goes on polling while onRevoke drains, then gives partitions to a second member (${strategy})`, async () => {
        const properties = {
          "group.id": `share-${strategy}`,
          "partition.assignment.strategy": strategy,
        };
        const subscription: Subscription = { kind: "topics", topics: ["group"] };
        let polls = 0;
        const pollsInDrain: number[] = [];
        let drain = async (): Promise<void> => {
          const began = polls;
          // The drain ends only when the poll loop has gone on under it.
          for (let turn = 0; polls < began + 3 && turn < 1000; turn++)
            await new Promise((resolve) => setTimeout(resolve, 5));
          pollsInDrain.push(polls - began);
        };
        const [mine, theirs] = [new Set<number>(), new Set<number>()];
        const first = await clients.consumer(properties, subscription, {
          onAssign: (partitions) => partitions.forEach(({ partition }) => mine.add(partition)),
          onRevoke: async (partitions) => {
            await drain();
            partitions.forEach(({ partition }) => mine.delete(partition));
          },
        });
        await pollUntil(first, () => mine.size === 4);
        const second = await clients.consumer(properties, subscription, {
          onAssign: (partitions) => partitions.forEach(({ partition }) => theirs.add(partition)),
          onRevoke: (partitions) => partitions.forEach(({ partition }) => theirs.delete(partition)),
        });
        const shared = (): boolean => ++polls > 0 && mine.size === 2 && theirs.size === 2;
        await Promise.all([pollUntil(first, shared, 20_000), pollUntil(second, shared, 20_000)]);
        expect(pollsInDrain[0]).to.be.at.least(3);
        expect([...mine, ...theirs].sort()).to.deep.equal([0, 1, 2, 3]);
        // Nobody polls during close, which serves the last revocation itself.
        drain = async () => undefined;
        await Promise.all([first.close(), second.close()]);
        expect(mine.size + theirs.size).to.equal(0);
      });
    }
  });
});
