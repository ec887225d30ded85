import {
  type OwnProducerSettings,
  type ProducerEnvelope,
  producerFlow,
  type ProducerResult,
  produceMulti,
  string,
} from "@millrace/kafka";
import { Keep, Sink, Source, Supervision } from "@millrace/streams";
import { assertAllClosed, settle, type SinkProbe, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import type { FakeProducer } from "../support/fake-producer.js";
import { Random } from "../support/random.js";

type Envelope = ProducerEnvelope<string, string, number>;

const PARALLELISM = 4;
const ROUNDS = 10 * PARALLELISM;
const cannot = new Error("cannot be sent");

/** Of each round: a whole window of envelopes, and how many records the client must have of it at once. */
const ROUND: Readonly<Record<string, { readonly records: readonly number[]; readonly inFlight: number }>> = {
  "one record each": { records: [1, 1, 1, 1], inFlight: 4 },
  "empty ones between": { records: [1, 0, 1, 0], inFlight: 2 },
  "empty ones only behind a record": { records: [1, 0, 0, 0], inFlight: 1 },
  "several records each": { records: [3, 1], inFlight: 4 },
};

/** What becomes of the first record of a round, while the others are acknowledged. */
const FATES: Readonly<Record<string, { readonly settings: object; readonly fails: boolean }>> = {
  acknowledged: { settings: {}, fails: false },
  "failed, and resumed over": { settings: {}, fails: true },
  "acknowledged, where failures are elements": { settings: { failures: "element" }, fails: false },
  "failed, as an element": { settings: { failures: "element" }, fails: true },
};

describe("a producer, long after its first parallelism envelopes", () => {
  const flow = (kafka: FakeKafka, settings: Partial<OwnProducerSettings<string, string>>) =>
    producerFlow<string, string, number>({ kafka: kafka.settings, value: string(), ...settings }).withAttributes({
      supervision: Supervision.resumingDecider,
    });

  const passOne = async (
    { inFlight, fails }: { readonly inFlight: number; readonly fails: boolean },
    sender: FakeProducer,
    downstream: SinkProbe<unknown>,
  ): Promise<void> => {
    expect(sender.outstanding, "a whole window at once").to.equal(inFlight);
    const [first, ...others] = sender.sent.slice(-inFlight).map(({ id }) => id);
    sender.acknowledge(...others.toReversed());
    if (fails) sender.fail(first as number, cannot);
    else sender.acknowledge(first as number);
    await settle();
    // One result may wait in the stage for each that is taken.
    for (let taken = 0; taken < PARALLELISM; taken++) {
      downstream.request();
      await settle(1);
    }
  };

  for (const [what, { records, inFlight }] of Object.entries(ROUND)) {
    for (const [fate, { settings, fails }] of Object.entries(FATES)) {
      it(`has as many in flight as at first: ${what}, the first ${fate}`, () =>
        assertAllClosed(async () => {
          const kafka = new FakeKafka();
          kafka.onProducer = (producer) => {
            producer.onSent = () => undefined;
          };
          const [upstream, downstream] = sourceProbe<Envelope>()
            .via(flow(kafka, { parallelism: PARALLELISM, ...settings }))
            .toMat(sinkProbe<ProducerResult<number>>(), Keep.both)
            .run();
          for (let round = 0; round < ROUNDS; round++) {
            const value = `v${round}`;
            upstream.sendChunk(records.map((count) => produceMulti(Array(count).fill({ topic: "out", value }), round)));
            await settle();
            await passOne({ inFlight, fails }, kafka.sender, downstream);
          }
          upstream.complete();
          await downstream.rest();
          const dropped = fails && !("failures" in settings) ? ROUNDS : 0;
          expect(downstream.received).to.have.length(ROUNDS * records.length - dropped);
        }));
    }
  }

  it("gives each record its own partition and offset, however late and in whatever order reports come", () =>
    assertAllClosed(async () => {
      const random = new Random(1);
      const kafka = new FakeKafka();
      const reported: number[] = [];
      kafka.onProducer = (producer) => {
        producer.onSent = (sent) => {
          reported.push(...sent.map(({ id }) => id));
          // Some of what came before is told while more is added to it, the first of all at last.
          setImmediate(() => {
            while (reported.length > 1 && random.once(2)) {
              producer.acknowledge(...reported.splice(random.int(1, reported.length - 1), 1));
            }
            if (producer.sent.length === 5000) producer.acknowledge(...reported.splice(0).reverse());
          });
        };
      };
      const parts = (n: number) => [n, n + 1].map((id) => ({ topic: `t${id % 3}`, value: "v", partition: id % 11 }));
      const results = await Source.from(Array.from({ length: 2500 }, (_, n) => 2 * n))
        .map((n) => produceMulti(parts(n), n))
        .via(flow(kafka, { parallelism: 100_000 }))
        .runWith(Sink.toArray());
      expect(results).to.deep.equal(
        Array.from({ length: 2500 }, (_, at) => ({
          metadata: parts(2 * at).map(({ topic, partition }, part) => ({ topic, partition, offset: 2 * at + part })),
          passThrough: 2 * at,
        })),
      );
    }));
});
