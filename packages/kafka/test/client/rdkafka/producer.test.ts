import { expect } from "chai";
import type { ClientTimeouts } from "../../../src/client/rdkafka/client-life.js";
import { RdkafkaProducer } from "../../../src/client/rdkafka/producer.js";
import type { ClientProperties, DeliveryReports, OutgoingRecord } from "../../../src/client/port.js";
import { rejectionOf, thrownBy } from "./support/errors.js";
import { FakeProducer } from "./support/fake-native.js";

const TIMEOUTS: ClientTimeouts = { connectMs: 1000, closeMs: 60, graceMs: 30 };

const record = (extra: object = {}): OutgoingRecord => ({ topic: "t", key: null, value: Buffer.from("v"), ...extra });

const records = (count: number): OutgoingRecord[] => Array.from({ length: count }, () => record());

async function setUp(timeouts: ClientTimeouts = TIMEOUTS, properties: ClientProperties = {}) {
  const native = new FakeProducer();
  const reports: DeliveryReports[] = [];
  const errors: Error[] = [];
  const listener = {
    onReports: (report: DeliveryReports) => void reports.push(report),
    onError: (error: Error) => void errors.push(error),
  };
  const producer = new RdkafkaProducer(properties, listener, timeouts, native.create);
  await producer.connect();
  return { native, producer, reports, errors };
}

async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

/** Reports everything produced and not yet reported, from the next poll on. */
function reportAll(native: FakeProducer): void {
  let next = 0;
  native.onPoll = () => {
    for (; next < native.produced.length; next++)
      native.report({ opaque: native.produced[next]?.id ?? -1, offset: next });
  };
}

describe("RdkafkaProducer", () => {
  it("says what to install where librdkafka was built without the codec", () => {
    const refusing = (message: string) => () => {
      throw new Error(message);
    };
    const make = (message: string) =>
      thrownBy(
        () =>
          new RdkafkaProducer(
            {},
            { onReports: () => undefined, onError: () => undefined },
            TIMEOUTS,
            refusing(message),
          ),
      );
    const zstd = make(
      'Unsupported value "zstd" for configuration property "compression.codec": libzstd not available at build time',
    );
    expect(zstd).to.include({ code: "INVALID_SETTINGS" });
    expect(zstd.message).to.match(/"zstd".*libzstd not available.*Install libzstd .*build the client again/);
    expect(make('Invalid value "zstd2" for configuration property "compression.codec"').message).to.match(
      /Correct or remove the property/,
    );
  });

  describe("produceBatch", () => {
    const invalid: [string, object][] = [
      ["a value that is a string", { value: "text" }],
      ["an undefined value", { value: undefined }],
      ["a key that is a string", { key: "text" }],
      ["no topic", { topic: "" }],
      ["a negative partition", { partition: -1 }],
      ["half a partition", { partition: 0.5 }],
      ["a timestamp that is no number", { timestamp: Number.NaN }],
      ["a negative timestamp", { timestamp: -1 }],
      ["half a millisecond", { timestamp: 0.5 }],
      ["a timestamp of 0, which librdkafka stores as now", { timestamp: 0 }],
      ["a header that would not arrive intact", { headers: [["h", Buffer.from([0xff])]] }],
    ];
    for (const [name, bad] of invalid) {
      it(`throws INVALID_RECORD for ${name}, and queues nothing from it on`, async () => {
        const { native, producer } = await setUp();
        const batch = [record(), record(bad), record()];
        expect(producer.produceBatch(batch, 0, 0)).to.equal(1);
        expect(thrownBy(() => producer.produceBatch(batch, 1, 0)).code).to.equal("INVALID_RECORD");
        expect(native.produced).to.have.length(1);
        expect(producer.outstanding).to.equal(1);
        await producer.close({ drop: true });
      });
    }

    const refusals: [what: string, clientCode: number, code: string][] = [
      ["is too large", 10, "INVALID_RECORD"],
      ["is for a topic that does not exist", -188, "INVALID_RECORD"],
      ["is for a topic that is forbidden", 29, "PRODUCE_FAILED"],
    ];
    for (const [what, clientCode, code] of refusals) {
      it(`throws ${code} for a record that ${what}, with librdkafka's code and the topic`, async () => {
        const { native, producer } = await setUp();
        native.throws.set("produce", Object.assign(new Error("refused"), { code: clientCode }));
        const error = thrownBy(() => producer.produceBatch(records(1), 0, 0));
        expect(error).to.include({ code, clientCode });
        expect(error.message).to.match(/record for t\b/);
        await producer.close();
      });
    }

    it("gives an empty key and an empty value memory of their own, for without it they would be null", async () => {
      const { native, producer } = await setUp();
      producer.produceBatch([record({ key: Buffer.from(""), value: Buffer.alloc(0) }), record({ value: null })], 0, 0);
      const [empty, nothing] = native.produced;
      for (const bytes of [empty?.key, empty?.value]) {
        expect(bytes?.length).to.equal(0);
        expect(bytes?.buffer.byteLength).to.be.greaterThan(0);
      }
      expect([nothing?.key, nothing?.value]).to.deep.equal([null, null]);
      await producer.close({ drop: true });
    });

    const ofEmptyKeys: [what: string, properties: ClientProperties, partition: number | null][] = [
      ["by CRC-32, which is the default, whose hash of nothing is 0", {}, 0],
      ["by CRC-32 where it is named", { partitioner: "consistent_random" }, 0],
      ["by Java's hash as librdkafka knows it", { partitioner: "murmur2_random" }, null],
    ];
    for (const [what, properties, partition] of ofEmptyKeys) {
      it(`places an empty key ${what}; a record that names its partition keeps it, one without a key has none`, async () => {
        const { native, producer } = await setUp(TIMEOUTS, properties);
        const empty = Buffer.alloc(0);
        producer.produceBatch([record({ key: empty }), record({ key: empty, partition: 3 }), record()], 0, 0);
        expect(native.produced.map((each) => each.partition)).to.deep.equal([partition, 3, null]);
        await producer.close({ drop: true });
      });
    }

    describe("after the client has ended", () => {
      const refused = { code: -1, message: "cluster authorization failed" };
      const ended = Object.assign(new Error("fatal error"), { code: -150 });

      it("throws what the client reported", async () => {
        const { native, producer, errors } = await setUp();
        native.emit("event.error", refused);
        native.throws.set("produce", ended);
        expect(thrownBy(() => producer.produceBatch(records(1), 0, 0))).to.equal(errors[0]);
        expect(errors[0]).to.include({ code: "CLIENT_FAILED", clientCode: 31, fatal: true });
        expect(errors[0]?.message).to.contain("Cluster authorization failed").and.to.contain("Grant this user");
        await producer.close();
      });

      it("takes nothing until the reason is there, where it ended between two polls", async () => {
        const { native, producer, errors } = await setUp();
        native.throws.set("produce", ended);
        native.onPoll = () => {
          native.onPoll = undefined;
          setImmediate(() => native.emit("event.error", refused));
        };
        expect(producer.produceBatch(records(1), 0, 0)).to.equal(0);
        await eventually(() => errors.length > 0);
        expect(errors[0]).to.include({ clientCode: 31, fatal: true });
        expect(thrownBy(() => producer.produceBatch(records(1), 0, 0))).to.equal(errors[0]);
        await producer.close();
      });

      it("reports that it has ended, where no reason comes", async () => {
        const { native, producer, errors } = await setUp();
        native.throws.set("produce", ended);
        expect(producer.produceBatch(records(1), 0, 0)).to.equal(0);
        await eventually(() => errors.length > 0);
        expect(errors[0]).to.include({ code: "PRODUCE_FAILED", clientCode: -150, fatal: true });
        await producer.close();
      });

      it("fails records that it threw away by what ended it, whichever comes first", async () => {
        const { native, producer, reports, errors } = await setUp();
        producer.produceBatch(records(2), 0, 0);
        native.onPoll = () => {
          native.onPoll = undefined;
          native.report({ opaque: 0, offset: -1001 }, { code: -1, message: "purged in queue" });
          native.emit("event.error", refused);
          native.report({ opaque: 1, offset: -1001 }, { code: -1, message: "topic authorization failed" });
        };
        await producer.flush(1000);
        expect(reports[0]?.errors[0]).to.equal(errors[0]);
        expect(reports[0]?.errors[1]).to.include({ code: "PRODUCE_FAILED", clientCode: 29 });
        await producer.close();
      });
    });

    it("returns fewer than given when the queue is full, without an exception", async () => {
      const { native, producer } = await setUp();
      native.capacity = 3;
      expect(producer.produceBatch(records(5), 0, 0)).to.equal(3);
      expect(producer.produceBatch(records(5), 3, 0)).to.equal(0);
      expect(producer.outstanding).to.equal(3);
      await producer.close({ drop: true });
    });

    it("gives record `index` the id `firstId + index`", async () => {
      const { native, producer } = await setUp();
      producer.produceBatch(records(4), 2, 100);
      expect(native.produced.map(({ id }) => id)).to.deep.equal([102, 103]);
      await producer.close({ drop: true });
    });

    it("rejects before connect and after close", async () => {
      const listener = { onReports: () => undefined, onError: () => undefined };
      const producer = new RdkafkaProducer({}, listener, TIMEOUTS, new FakeProducer().create);
      expect(thrownBy(() => producer.produceBatch(records(1), 0, 0)).code).to.equal("PRODUCE_FAILED");
      await producer.close();
      expect(thrownBy(() => producer.produceBatch(records(1), 0, 0)).code).to.equal("PRODUCER_CLOSED");
      expect((await rejectionOf(producer.connect())).code).to.equal("PRODUCER_CLOSED");
    });
  });

  describe("reports", () => {
    it("carry rebuilt codes, name their topic, and share one error per topic and text", async () => {
      const { native, producer, reports } = await setUp();
      producer.produceBatch(records(4), 0, 0);
      native.onPoll = () => {
        native.onPoll = undefined;
        const failure = { code: -1, message: "message timed out" };
        for (const opaque of [0, 1]) native.report({ opaque, offset: -1001 }, failure);
        native.report({ opaque: 2, offset: 8 });
        native.report({ topic: "other", opaque: 3, offset: -1001 }, failure);
      };
      await producer.flush(1000);
      const [report] = reports;
      expect(report?.errors[0]).to.include({ code: "PRODUCE_FAILED", clientCode: -192, retriable: true });
      expect(report?.errors[1]).to.equal(report?.errors[0]);
      expect(report?.errors[2]).to.equal(undefined);
      expect([report?.ids, report?.offsets]).to.deep.equal([
        [0, 1, 2, 3],
        [-1, -1, 8, -1],
      ]);
      expect(report?.errors[0]?.message).to.contain("A record for t was not delivered");
      expect(report?.errors[3]?.message).to.contain("A record for other was not delivered");
      await producer.close();
    });

    it("are handed over once per poll, not once per record", async () => {
      const { native, producer, reports } = await setUp();
      reportAll(native);
      producer.produceBatch(records(500), 0, 0);
      await producer.flush(1000);
      expect(reports.map(({ length }) => length)).to.deep.equal([500]);
      await producer.close();
    });

    it("are polled for only while some are outstanding", async () => {
      const { native, producer } = await setUp();
      reportAll(native);
      producer.produceBatch(records(10), 0, 0);
      await producer.flush(1000);
      const { polls } = native;
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(native.polls).to.be.at.most(polls + 1);
      await producer.close();
    });

    it("go on when the listener produces from within", async () => {
      const native = new FakeProducer();
      let reported = 0;
      const producer: RdkafkaProducer = new RdkafkaProducer(
        {},
        {
          onReports: ({ length }) => {
            reported += length;
            if (reported < 5) producer.produceBatch(records(1), 0, reported);
          },
          onError: () => undefined,
        },
        TIMEOUTS,
        native.create,
      );
      await producer.connect();
      reportAll(native);
      producer.produceBatch(records(1), 0, 0);
      while (reported < 5) await new Promise(setImmediate);
      await producer.close();
      expect(native.produced).to.have.length(5);
    });
  });

  it("polls also while nothing is sent where statistics are to come, until it is closed", async () => {
    const native = new FakeProducer();
    const told: string[] = [];
    const listener = {
      onReports: () => undefined,
      onError: () => undefined,
      onStatistics: (json: string) => told.push(json),
    };
    const producer = new RdkafkaProducer({ "statistics.interval.ms": 1 }, listener, TIMEOUTS, native.create);
    native.onPoll = () => native.emit("event.stats", { message: "{}" });
    await producer.connect();
    while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    await producer.close();
    const { polls } = native;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(native.polls).to.equal(polls);
  });

  describe("flush", () => {
    it("rejects at its deadline with FLUSH_TIMEOUT, and may be repeated", async () => {
      const { native, producer } = await setUp();
      producer.produceBatch(records(2), 0, 0);
      expect(await rejectionOf(producer.flush(20))).to.include({ code: "FLUSH_TIMEOUT", retriable: true });
      reportAll(native);
      await producer.flush(1000);
      expect(producer.outstanding).to.equal(0);
      await producer.close();
    });
  });

  describe("close", () => {
    it("waits for every report before it disconnects, and polls no more after", async () => {
      const { native, producer, reports } = await setUp();
      reportAll(native);
      producer.produceBatch(records(300), 0, 0);
      let pollsAtDisconnect = 0;
      native.onDisconnect = (done) => {
        pollsAtDisconnect = native.polls;
        setTimeout(done, 10);
      };
      await producer.close();
      expect(reports.reduce((sum, { length }) => sum + length, 0)).to.equal(300);
      expect(native.polls).to.equal(pollsAtDisconnect);
    });

    it("rejects at its deadline and says how many records are unreported, but is closed", async () => {
      const { native, producer } = await setUp();
      producer.produceBatch(records(2), 0, 0);
      const error = await rejectionOf(producer.close());
      expect(error).to.include({ code: "FLUSH_TIMEOUT" });
      expect(error.message).to.contain("2 records unreported");
      expect(native.disconnected).to.equal(true);
    });

    it("rejects with CLOSE_TIMEOUT when the client never disconnects", async () => {
      const { native, producer } = await setUp();
      native.onDisconnect = () => undefined;
      expect((await rejectionOf(producer.close())).code).to.equal("CLOSE_TIMEOUT");
    });

    it("with drop overtakes a close that waits, and is idempotent", async () => {
      const { native, producer } = await setUp({ ...TIMEOUTS, closeMs: 60_000 });
      producer.produceBatch(records(2), 0, 0);
      const closed = producer.close();
      expect(producer.close({ drop: true })).to.equal(closed);
      await closed;
      expect(native.named.filter((name) => name === "disconnect")).to.have.length(1);
    });
  });

  it("reports the client's errors with their codes rebuilt", async () => {
    const { native, producer, errors } = await setUp();
    native.emit("event.error", { code: -1, message: "fatal error" });
    expect(errors[0]).to.include({ code: "CLIENT_FAILED", clientCode: -150, fatal: true });
    await producer.close();
  });
});
