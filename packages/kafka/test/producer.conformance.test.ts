import { Keep, Supervision } from "@millrace/streams";
import {
  KafkaConnectorError,
  type OwnProducerSettings,
  produce,
  type ProducerEnvelope,
  producerFlow,
  type ProducerResult,
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
import type { FakeProducer } from "./support/fake-producer.js";
import { FakeKafka } from "./support/fake-kafka.js";

type Envelope = ProducerEnvelope<string, string, number>;

interface Bench {
  readonly upstream: SourceProbe<Envelope>;
  readonly downstream: SinkProbe<ProducerResult<number>>;
  readonly sender: FakeProducer;
}

const envelope = (n: number): Envelope => produce({ topic: "out", value: `v${n}` }, n);

const refused = (): KafkaConnectorError => new KafkaConnectorError("PRODUCE_FAILED", "refused");

describe("producerFlow", () => {
  const onBench = (
    block: (bench: Bench) => Promise<void>,
    settings: Partial<OwnProducerSettings<string, string>> = {},
    supervision = Supervision.stoppingDecider,
  ): Promise<void> =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        producer.onSent = () => undefined;
      };
      const checks = checked();
      const [upstream, downstream] = sourceProbe<Envelope>()
        .via(producerFlow<string, string, number>({ kafka: kafka.settings, value: string(), ...settings }))
        .withAttributes({ supervision })
        .toMat(sinkProbe<ProducerResult<number>>(), Keep.both)
        .run({ wrap: checks.wrap });
      await block({ upstream, downstream, sender: kafka.sender });
      downstream.cancel();
      checks.verify();
    });

  /** Sends envelopes 0, 1, 2 and waits until the client has them. */
  const sendThree = async ({ upstream, downstream, sender }: Bench): Promise<void> => {
    downstream.request();
    upstream.sendChunk([envelope(0), envelope(1), envelope(2)]);
    await settle();
    expect(sender.sent.map(({ record }) => record.value?.toString())).to.deep.equal(["v0", "v1", "v2"]);
  };

  it("W-05 a failed send drops what the client holds, at once, cancels upstream and fails", () =>
    onBench(async (bench) => {
      await sendThree(bench);
      const { upstream, downstream, sender } = bench;
      const error = refused();
      sender.fail(0, error);
      expect(sender.closes).to.deep.equal([{ drop: true, outstanding: 2 }]);
      expect(await upstream.expectCancel()).to.equal(error);
      expect(await downstream.expectError()).to.equal(error);
      expect(downstream.received).to.deep.equal([]);
    }));

  it("W-06 no result follows a failed one", () =>
    onBench(async (bench) => {
      await sendThree(bench);
      const { downstream, sender } = bench;
      sender.acknowledge(0);
      sender.acknowledge(2);
      const error = refused();
      sender.fail(1, error);
      await downstream.expectNext({ metadata: [{ topic: "out", partition: 0, offset: 0 }], passThrough: 0 });
      expect(await downstream.expectError()).to.equal(error);
    }));

  it("W-08 an error thrown by the client when it is given a record fails the stream", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      const thrown = new Error("thrown");
      sender.refuse = () => thrown;
      downstream.request();
      upstream.send(envelope(0));
      expect(await downstream.expectError()).to.equal(thrown);
      expect(await upstream.expectCancel()).to.equal(thrown);
    }));

  it("W-04 a failure of upstream waits for what was sent, and closes the client without dropping", () =>
    onBench(async (bench) => {
      await sendThree(bench);
      const { upstream, downstream, sender } = bench;
      const broken = new Error("upstream");
      upstream.fail(broken);
      await downstream.expectNothing();
      expect(sender.closes).to.deep.equal([]);
      sender.acknowledge(2, 1, 0);
      expect((await downstream.nextChunk()).map(({ passThrough }) => passThrough)).to.deep.equal([0, 1, 2]);
      expect(await downstream.expectError()).to.equal(broken);
      expect(sender.closes[0]).to.deep.equal({ drop: false, outstanding: 0 });
    }));

  it("W-07 with resume a failed send is left out, and the client is closed gracefully", () =>
    onBench(
      async (bench) => {
        await sendThree(bench);
        const { upstream, downstream, sender } = bench;
        sender.fail(1, refused());
        sender.acknowledge(0, 2);
        upstream.complete();
        expect((await downstream.rest()).map(({ passThrough }) => passThrough)).to.deep.equal([0, 2]);
        expect(sender.closes[0]).to.deep.equal({ drop: false, outstanding: 0 });
      },
      {},
      Supervision.resumingDecider,
    ));

  it("W-09 a cancellation closes the client", () =>
    onBench(async ({ downstream, upstream, sender }) => {
      downstream.request();
      upstream.send(envelope(0));
      await settle();
      downstream.cancel();
      await upstream.expectCancel();
      expect(sender.closes[0]).to.deep.equal({ drop: false, outstanding: 1 });
    }));

  it("W-01 sends one message, then closes when it is acknowledged", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.send(envelope(0));
      upstream.complete();
      await settle();
      expect(sender.closes).to.deep.equal([]);
      sender.acknowledge(0);
      expect(await downstream.rest()).to.have.length(1);
      expect(sender.closes[0]).to.deep.equal({ drop: false, outstanding: 0 });
    }));

  // Differs: a client is not passed in; a driver that makes it is, and each run has a client of its own.
  it("W-02 uses the driver it is given", () =>
    onBench(
      async ({ sender }) => {
        expect(sender.properties).to.include({ "bootstrap.servers": "fake:9092", "linger.ms": 1 });
      },
      { properties: { "linger.ms": 1 } },
    ));

  it("W-03 emits results in input order, however they are acknowledged", () =>
    onBench(async (bench) => {
      await sendThree(bench);
      const { downstream, sender } = bench;
      sender.acknowledge(2);
      sender.acknowledge(1);
      await downstream.expectNothing();
      sender.acknowledge(0);
      expect((await downstream.nextChunk()).map(({ passThrough }) => passThrough)).to.deep.equal([0, 1, 2]);
    }));
});
