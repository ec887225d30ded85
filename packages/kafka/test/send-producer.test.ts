import {
  KafkaConnectorError,
  type OwnProducerSettings,
  passThrough,
  produceMulti,
  SendProducer,
  sharedProducer,
  string,
} from "@millrace/kafka";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { mock } from "node:test";
import { FakeKafka } from "./support/fake-kafka.js";
import type { FakeProducer } from "./support/fake-producer.js";
import { errorOf, rejectionOf, until } from "./support/until.js";
import { Latch } from "../../../test/support/latch.js";

const out = (value: string) => ({ topic: "out", value });

describe("SendProducer", () => {
  let kafka: FakeKafka;
  const senders: SendProducer<string, string>[] = [];
  beforeEach(() => {
    kafka = new FakeKafka();
    kafka.onProducer = (producer) => {
      producer.onSent = () => undefined;
    };
  });
  afterEach(async () => {
    for (const producer of kafka.producers)
      producer.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "end", { fatal: true }));
    await Promise.all(senders.splice(0).map((sender) => sender.close()));
  });

  const create = (
    settings: Partial<OwnProducerSettings<string, string>> & { readonly maxWaiting?: number } = {},
  ): SendProducer<string, string> => {
    const sender = SendProducer.create<string, string>({ kafka: kafka.settings, value: string(), ...settings });
    senders.push(sender);
    return sender;
  };
  const values = (): readonly string[] => kafka.sender.sent.map(({ record }) => String(record.value));
  const sent = (count: number): Promise<void> =>
    until(() => kafka.producers.length > 0 && values().length === count, `${count} sent`);
  /** Settled promises by their place. */
  const outcomes = (all: readonly Promise<unknown>[]): (string | undefined)[] => {
    const told: (string | undefined)[] = all.map(() => undefined);
    all.forEach((each, index) => {
      each.then(
        () => void (told[index] = "done"),
        (error: unknown) => void (told[index] = (error as KafkaConnectorError).code ?? String(error)),
      );
    });
    return told;
  };

  describe("failing", () => {
    it("refuses nonsense in its settings when it is created", () => {
      for (const wrong of [{ maxWaiting: 0 }, { parallelism: 0 }, { kafka: undefined }, { failures: "element" }]) {
        const settings = { kafka: kafka.settings, ...wrong };
        expect(
          errorOf(() => SendProducer.create(settings as never)),
          JSON.stringify(wrong),
        ).to.include({
          code: "INVALID_SETTINGS",
        });
      }
      expect(kafka.producers).to.deep.equal([]);
    });

    it("rejects with the record's own error, and sends the others", async () => {
      const sender = create();
      const told = outcomes([sender.send(out("a")), sender.send(out("b"))]);
      await sent(2);
      kafka.sender.fail(0, new KafkaConnectorError("PRODUCE_FAILED", "refused"));
      kafka.sender.acknowledge(1);
      await settle();
      expect(told).to.deep.equal(["PRODUCE_FAILED", "done"]);
    });

    it("rejects a record that cannot be encoded, or can never be sent, and sends the others", async () => {
      kafka.onProducer = (producer) => {
        producer.refuse = ({ value }) =>
          String(value) === "large" ? new KafkaConnectorError("INVALID_RECORD", "too large") : undefined;
      };
      const sender = create({
        value: {
          encode: (value) => {
            if (value === "bad") throw new Error("bad");
            return Buffer.from(value);
          },
        },
      });
      const told = outcomes(["bad", "large", "good"].map((value) => sender.send(out(value))));
      await until(() => told.every((each) => each !== undefined), "all settled");
      expect(told).to.deep.equal(["SERIALIZATION_FAILED", "INVALID_RECORD", "done"]);
    });

    it("rejects what waits for a connection that cannot be had, and connects anew for the next", async () => {
      const broken = new KafkaConnectorError("CONNECT_FAILED", "no broker");
      kafka.onProducer = (producer) => void (producer.connecting = Promise.reject(broken));
      const sender = create();
      expect(await rejectionOf(sender.send(out("a")))).to.equal(broken);
      kafka.onProducer = () => undefined;
      expect(await sender.send(out("b"))).to.deep.equal({ topic: "out", partition: 0, offset: 0 });
      expect(kafka.producers).to.have.length(2);
    });

    it("rejects when the client cannot be made, and when it has ended, and makes another for the next", async () => {
      const sender = create();
      kafka.onProducer = () => {
        throw new KafkaConnectorError("INVALID_SETTINGS", "librdkafka refuses");
      };
      expect(await rejectionOf(sender.send(out("a")))).to.include({ code: "INVALID_SETTINGS" });
      kafka.onProducer = (producer) => {
        producer.onSent = () => undefined;
        producer.capacity = 1;
      };
      const told = outcomes([sender.send(out("b")), sender.send(out("c"))]);
      await sent(1);
      kafka.sender.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "fenced", { fatal: true }));
      await settle();
      expect(told).to.deep.equal(["CLIENT_FAILED", "CLIENT_FAILED"]);
      kafka.onProducer = () => undefined;
      await sender.send(out("d"));
      expect(values()).to.deep.equal(["d"]);
    });

    it("makes sends wait beyond parallelism, and rejects one beyond maxWaiting with SEND_QUEUE_FULL", async () => {
      const sender = create({ parallelism: 2, maxWaiting: 3 });
      await Promise.resolve();
      const first = [sender.send(out("0")), sender.send(out("1"))];
      await sent(2);
      const told = outcomes([...first, ...["2", "3", "4", "5"].map((value) => sender.send(out(value)))]);
      await settle();
      expect(told.at(-1)).to.equal("SEND_QUEUE_FULL");
      expect(values()).to.deep.equal(["0", "1"]);
      kafka.sender.acknowledge(1);
      await settle();
      expect(values()).to.deep.equal(["0", "1", "2"]);
      kafka.sender.acknowledge(0, 2);
      await settle();
      kafka.sender.acknowledge(3, 4);
      await settle();
      expect(told).to.deep.equal(["done", "done", "done", "done", "done", "SEND_QUEUE_FULL"]);
    });

    it("W-33 rejects after close, and closes though it could not connect", async () => {
      kafka.onProducer = (producer) =>
        void (producer.connecting = Promise.reject(new KafkaConnectorError("CONNECT_FAILED", "no broker")));
      const sender = create();
      await rejectionOf(sender.send(out("a")));
      await sender.close();
      expect(await rejectionOf(sender.send(out("b")))).to.include({ code: "PRODUCER_CLOSED" });
      expect(await rejectionOf(sender.sendEnvelope(passThrough(1)))).to.include({ code: "PRODUCER_CLOSED" });
    });

    it("closes after 30 s though a report stays away, and rejects what it belongs to with FLUSH_TIMEOUT", async () => {
      const sender = create({ parallelism: 1 });
      const told = outcomes([sender.send(out("a")), sender.send(out("b"))]);
      await sent(1);
      mock.timers.enable({ apis: ["setTimeout"] });
      try {
        const closing = sender.close();
        mock.timers.tick(29_999);
        await new Promise(setImmediate);
        expect(told).to.deep.equal([undefined, undefined]);
        mock.timers.tick(1);
        await closing;
      } finally {
        mock.timers.reset();
      }
      expect(told).to.deep.equal(["FLUSH_TIMEOUT", "FLUSH_TIMEOUT"]);
      expect(kafka.sender.closes).to.deep.equal([{ drop: true, outstanding: 1 }]);
    });

    it("rejects an envelope with its first failure, though its other records are stored", async () => {
      const sender = create();
      const sending = sender.sendEnvelope(produceMulti([out("a"), out("b")], 1));
      await sent(2);
      const refused = new KafkaConnectorError("PRODUCE_FAILED", "refused");
      kafka.sender.fail(0, refused);
      kafka.sender.acknowledge(1);
      expect(await rejectionOf(sending)).to.equal(refused);
    });
  });

  it("closes once everything sent before is answered, also what waits, and closes its client", async () => {
    const sender = create({ parallelism: 1 });
    const told = outcomes([sender.send(out("a")), sender.send(out("b"))]);
    const closing = outcomes([sender.close()]);
    await sent(1);
    kafka.sender.acknowledge(0);
    await sent(2);
    expect(closing).to.deep.equal([undefined]);
    kafka.sender.acknowledge(1);
    await settle();
    expect([told, closing]).to.deep.equal([["done", "done"], ["done"]]);
    expect(kafka.sender.closes).to.deep.equal([{ drop: false, outstanding: 0 }]);
    await sender.close();
  });

  it("leaves a shared producer open", async () => {
    kafka.onProducer = () => undefined;
    const producer = sharedProducer({ kafka: kafka.settings });
    const [a, b] = [1, 2].map(() => SendProducer.create<string, string>({ producer, value: string() }));
    await Promise.all([a?.send(out("a")), b?.send(out("b"))]);
    await a?.close();
    await b?.send(out("c"));
    expect(kafka.producers).to.have.length(1);
    await b?.close();
    expect(kafka.sender.closes).to.deep.equal([]);
    await producer.close();
    expect(kafka.sender.closes).to.have.length(1);
  });

  it("answers each send by its own report, and sends in the order of the calls", async () => {
    const sender = create();
    const told = outcomes(["a", "b", "c"].map((value) => sender.send(out(value))));
    await sent(3);
    expect(values()).to.deep.equal(["a", "b", "c"]);
    kafka.sender.acknowledge(2);
    await settle();
    expect(told).to.deep.equal([undefined, undefined, "done"]);
  });

  it("keeps the order, and loses nothing, while the client's queue is full in the middle of an envelope", async () => {
    const connected = new Latch();
    kafka.onProducer = (producer: FakeProducer) => {
      producer.connecting = connected.opened;
      producer.capacity = 2;
      producer.onSent = () => undefined;
    };
    const sender = create();
    const envelope = sender.sendEnvelope(produceMulti(["a", "b", "c", "d", "e"].map(out), "p"));
    const told = outcomes([envelope, sender.send(out("f"))]);
    connected.open();
    await sent(2);
    for (let id = 0; id < 6; id++) {
      kafka.sender.acknowledge(id);
      await settle();
    }
    expect(values()).to.deep.equal(["a", "b", "c", "d", "e", "f"]);
    expect(told).to.deep.equal(["done", "done"]);
    expect((await envelope).metadata.map(({ offset }) => offset)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it("W-31 W-32 answers an envelope with the places of its records in their order, an empty one at once", async () => {
    const sender = create();
    expect(await sender.sendEnvelope(passThrough("p"))).to.deep.equal({ metadata: [], passThrough: "p" });
    expect(kafka.producers).to.deep.equal([]);
    const single = sender.sendEnvelope(produceMulti([out("a")], 1));
    const three = sender.sendEnvelope(produceMulti([out("b"), { topic: "other", value: "c" }, out("d")], 3));
    await sent(4);
    kafka.sender.acknowledge(3, 2, 1, 0);
    expect(await single).to.deep.equal({ metadata: [{ topic: "out", partition: 0, offset: 0 }], passThrough: 1 });
    expect((await three).metadata.map(({ topic, offset }) => `${topic}@${offset}`)).to.deep.equal([
      "out@1",
      "other@2",
      "out@3",
    ]);
  });
});
