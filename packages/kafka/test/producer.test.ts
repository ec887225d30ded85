import { type Decider, Keep, Source, Supervision } from "@millrace/streams";
import {
  json,
  KafkaConnectorError,
  type OwnProducerSettings,
  passThrough,
  produce,
  type ProducerEnvelope,
  type ProducerRecord,
  producerFlow,
  type ProducerResult,
  producerSink,
  produceMulti,
  string,
} from "@millrace/kafka";
import {
  assertAllClosed,
  checked,
  settle,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "./support/fake-kafka.js";
import type { FakeProducer } from "./support/fake-producer.js";
import { rejectionOf } from "./support/until.js";
import { Latch } from "../../../test/support/latch.js";

type Envelope = ProducerEnvelope<string, string, number>;

interface Bench {
  readonly upstream: SourceProbe<Envelope>;
  readonly downstream: SinkProbe<ProducerResult<number>>;
  readonly sender: FakeProducer;
}

const out = (value: string) => ({ topic: "out", value });
const one = (n: number): Envelope => produce(out(`v${n}`), n);

describe("producerFlow", () => {
  interface Options {
    readonly settings?: Partial<OwnProducerSettings<string, string>>;
    readonly supervision?: typeof Supervision.stoppingDecider;
    readonly prepare?: (producer: FakeProducer) => void;
  }
  const onBench = (block: (bench: Bench) => Promise<void>, options: Options = {}): Promise<void> =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        producer.onSent = () => undefined;
        options.prepare?.(producer);
      };
      const checks = checked();
      const [upstream, downstream] = sourceProbe<Envelope>()
        .via(producerFlow<string, string, number>({ kafka: kafka.settings, value: string(), ...options.settings }))
        .withAttributes({ supervision: options.supervision ?? Supervision.stoppingDecider })
        .toMat(sinkProbe<ProducerResult<number>>(), Keep.both)
        .run({ wrap: checks.wrap });
      await block({ upstream, downstream, sender: kafka.sender });
      downstream.cancel();
      checks.verify();
    });

  const passed = (results: readonly ProducerResult<number>[]): number[] => results.map((result) => result.passThrough);
  const values = (sender: FakeProducer): (string | undefined)[] =>
    sender.sent.map(({ record }) => record.value?.toString());

  describe("failing", () => {
    it("fails with the client's error when it cannot connect, sends nothing and closes", () => {
      const broken = new KafkaConnectorError("CONNECT_FAILED", "no broker");
      return onBench(
        async ({ upstream, downstream, sender }) => {
          upstream.send(one(0));
          expect(await downstream.expectError()).to.equal(broken);
          expect(await upstream.expectCancel()).to.equal(broken);
          expect(sender.sent).to.deep.equal([]);
          expect(sender.closes[0]).to.include({ drop: true });
        },
        { prepare: (producer) => void (producer.connecting = Promise.reject(broken)) },
      );
    });

    it("closes a client that is still connecting when downstream cancels, and sends nothing", () => {
      const connected = new Latch();
      return onBench(
        async ({ upstream, downstream, sender }) => {
          downstream.request();
          upstream.send(one(0));
          await settle();
          downstream.cancel();
          connected.open();
          await settle();
          expect(sender.closes.length).to.be.at.least(1);
          expect(sender.sent).to.deep.equal([]);
        },
        { prepare: (producer) => void (producer.connecting = connected.opened) },
      );
    });

    it("fails by a record that can never be sent, and what was accepted before it is not emitted as done", () => {
      const invalid = new KafkaConnectorError("INVALID_RECORD", "too large");
      return onBench(
        async ({ upstream, downstream, sender }) => {
          downstream.request();
          upstream.sendChunk([one(0), one(1), one(2)]);
          await settle();
          expect(await downstream.expectError()).to.equal(invalid);
          expect(values(sender)).to.deep.equal(["v0"]);
          sender.acknowledge(0);
          await settle();
          expect(downstream.received).to.deep.equal([]);
        },
        {
          prepare: (producer) => {
            producer.refuse = (record) => (String(record.value) === "v1" ? invalid : undefined);
          },
        },
      );
    });

    it("fails with DECIDER_FAILED where the decider answers a promise, by a report and by a record that is not encoded", async () => {
      const supervision = (async () => "resume") as unknown as Decider;
      const refused = new KafkaConnectorError("PRODUCE_FAILED", "refused");
      await onBench(
        async ({ upstream, downstream, sender }) => {
          downstream.request();
          upstream.send(one(0));
          await settle();
          sender.fail(0, refused);
          expect(await downstream.expectError()).to.include({ code: "DECIDER_FAILED", cause: refused });
        },
        { supervision },
      );
      const encode = (): never => {
        throw new Error("cannot");
      };
      await onBench(
        async ({ upstream, downstream }) => {
          upstream.send(one(0));
          expect(await downstream.expectError()).to.include({ code: "DECIDER_FAILED" });
        },
        { supervision, settings: { value: { encode } } },
      );
    });

    it("leaves out a record that can never be sent with resume, and keeps the order", () =>
      onBench(
        async ({ upstream, downstream, sender }) => {
          downstream.request();
          upstream.sendChunk([one(0), one(1), one(2)]);
          upstream.complete();
          await settle();
          expect(values(sender)).to.deep.equal(["v0", "v2"]);
          sender.acknowledge(2, 0);
          expect(passed(await downstream.rest())).to.deep.equal([0, 2]);
        },
        {
          supervision: Supervision.resumingDecider,
          prepare: (producer) => {
            producer.refuse = ({ value }) =>
              String(value) === "v1" ? new KafkaConnectorError("INVALID_RECORD", "too large") : undefined;
          },
        },
      ));

    it("fails with SERIALIZATION_FAILED, which names the topic and keeps the cause", () => {
      const cause = new Error("cannot");
      return onBench(
        async ({ upstream, downstream, sender }) => {
          upstream.send(one(0));
          const error = await downstream.expectError();
          expect(error).to.include({ code: "SERIALIZATION_FAILED", cause });
          expect((error as Error).message).to.match(/record for out .*cannot/);
          expect(sender.sent).to.deep.equal([]);
        },
        {
          settings: {
            value: {
              encode: () => {
                throw cause;
              },
            },
          },
        },
      );
    });

    it("leaves out a whole envelope of which one record cannot be encoded, with resume", () =>
      onBench(
        async ({ upstream, downstream, sender }) => {
          downstream.request();
          upstream.sendChunk([produceMulti([out("a"), out("bad")], 0), one(1)]);
          upstream.complete();
          await settle();
          expect(values(sender)).to.deep.equal(["v1"]);
          sender.acknowledge(0);
          expect(passed(await downstream.rest())).to.deep.equal([1]);
        },
        {
          supervision: Supervision.resumingDecider,
          settings: {
            value: {
              encode: (value) => {
                if (value === "bad") throw new Error("bad");
                return Buffer.from(value);
              },
            },
          },
        },
      ));

    it("fails by a fatal error of the client, and not by another", () =>
      onBench(async ({ downstream, sender }) => {
        downstream.request();
        sender.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "a broker is gone"));
        await downstream.expectNothing();
        const fatal = new KafkaConnectorError("CLIENT_FAILED", "fenced", { fatal: true });
        sender.listener.onError(fatal);
        expect(await downstream.expectError()).to.equal(fatal);
      }));

    it("fails the stream, not the process, when the client reports a record twice", () =>
      onBench(async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.sendChunk([one(0), one(1)]);
        await settle();
        const report = { length: 1, ids: [1], partitions: [0], offsets: [0], errors: [undefined] };
        sender.listener.onReports(report);
        sender.listener.onReports(report);
        expect(await downstream.expectError()).to.include({ code: "INVARIANT_VIOLATION" });
        expect(downstream.received).to.deep.equal([]);
      }));

    it("a failed part of a multi-message fails it, though the others are acknowledged (I2)", () =>
      onBench(async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.send(produceMulti([out("a"), out("b"), out("c")], 7));
        await settle();
        sender.acknowledge(0, 2);
        const refused = new Error("refused");
        sender.fail(1, refused);
        expect(await downstream.expectError()).to.equal(refused);
        expect(downstream.received).to.deep.equal([]);
      }));
  });

  it("waits while the client's queue is full, loses nothing and keeps the order", () =>
    onBench(
      async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.sendChunk([0, 1, 2, 3, 4].map(one));
        upstream.complete();
        await settle();
        expect(values(sender)).to.deep.equal(["v0", "v1"]);
        for (let id = 0; id < 5; id++) {
          sender.acknowledge(id);
          await settle();
        }
        expect(passed(await downstream.rest())).to.deep.equal([0, 1, 2, 3, 4]);
        expect(values(sender)).to.deep.equal(["v0", "v1", "v2", "v3", "v4"]);
      },
      { prepare: (producer) => void (producer.capacity = 2) },
    ));

  it("holds upstream back when parallelism records are in flight, and lets one large envelope through alone", () =>
    onBench(
      async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.send(one(0), one(1), one(2), produceMulti([out("a"), out("b"), out("c")], 3), one(4));
        await settle();
        expect(values(sender)).to.deep.equal(["v0", "v1"]);
        sender.acknowledge(0, 1);
        await settle();
        downstream.request();
        await settle();
        expect(values(sender).slice(2)).to.deep.equal(["v2"]);
        sender.acknowledge(2);
        await settle();
        downstream.request();
        await settle();
        expect(values(sender).slice(3)).to.deep.equal(["a", "b", "c"]);
        await upstream.expectNoPull();
      },
      { settings: { parallelism: 2 } },
    ));

  it("ends a multi-message when all its parts are acknowledged, with their places in their order", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.send(produceMulti([out("a"), { topic: "other", value: "b" }], 7));
      await settle();
      sender.acknowledge(1);
      await downstream.expectNothing();
      sender.acknowledge(0);
      expect(await downstream.next()).to.deep.equal({
        metadata: [
          { topic: "out", partition: 0, offset: 0 },
          { topic: "other", partition: 0, offset: 1 },
        ],
        passThrough: 7,
      });
    }));

  it("emits a pass-through, and an empty multi-message, in their place", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.sendChunk([passThrough(0), one(1), passThrough(2), produceMulti([], 3), one(4)]);
      upstream.complete();
      await settle();
      expect(passed(downstream.received)).to.deep.equal([0]);
      sender.acknowledge(1);
      await settle();
      expect(passed(downstream.received)).to.deep.equal([0]);
      sender.acknowledge(0);
      expect(passed(await downstream.rest())).to.deep.equal([0, 1, 2, 3, 4]);
    }));

  it("encodes key, value, headers, partition and timestamp, and keeps tombstones", async () => {
    const kafka = new FakeKafka();
    await Source.single<ProducerRecord<string, { readonly n: number } | null>>({
      topic: "out",
      key: "k",
      value: { n: 1 },
      partition: 3,
      headers: { a: "x", b: Buffer.from("y") },
      timestamp: 5,
    })
      .concat(Source.single({ topic: "out", value: null }))
      .runWith(
        producerSink<string, { readonly n: number } | null>({
          kafka: kafka.settings,
          value: { encode: (value) => (value === null ? null : json().encode(value)) },
        }),
      );
    expect(kafka.sender.sent.map(({ record }) => record)).to.deep.equal([
      {
        topic: "out",
        key: Buffer.from("k"),
        value: Buffer.from('{"n":1}'),
        partition: 3,
        headers: [
          ["a", Buffer.from("x")],
          ["b", Buffer.from("y")],
        ],
        timestamp: 5,
      },
      { topic: "out", key: null, value: null },
    ]);
  });
});

describe("producerSink", () => {
  it("rejects with the failure of a record", async () => {
    const kafka = new FakeKafka();
    const refused = new Error("refused");
    kafka.onProducer = (producer) => {
      producer.onSent = ([sent]) => setImmediate(() => producer.fail(sent?.id ?? -1, refused));
    };
    const done = Source.single({ topic: "out", value: "v" }).runWith(
      producerSink<string, string>({ kafka: kafka.settings, value: string() }),
    );
    expect(await rejectionOf(done)).to.equal(refused);
  });

  it("resolves only once everything is acknowledged", () =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        producer.onSent = () => undefined;
      };
      let resolved = false;
      const done = Source.from(["a", "b"])
        .map((value) => ({ topic: "out", value }))
        .toMat(producerSink<string, string>({ kafka: kafka.settings, value: string() }), Keep.right)
        .run()
        .then(() => {
          resolved = true;
        });
      await settle();
      kafka.sender.acknowledge(1);
      await settle();
      expect(resolved).to.equal(false);
      kafka.sender.acknowledge(0);
      await done;
    }));
});
