import {
  committableSource,
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  type ProducerRecord,
  producerFlow,
  producerFlowWithContext,
  produceMulti,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { Sink, Source, SourceWithContext, Supervision } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";

const refused = new KafkaConnectorError("PRODUCE_FAILED", "refused");
const isBad = (value: unknown): boolean => String(value).startsWith("bad");

/** How a record fails to be sent, of those with a value that begins with `bad`. */
const WAYS: Readonly<Record<string, (kafka: FakeKafka) => void>> = {
  "cannot be encoded": () => undefined,
  "can never be sent": (kafka) => {
    kafka.onProducer = (producer) => {
      producer.refuse = ({ value }) => (isBad(value) ? refused : undefined);
    };
  },
  "is refused by the broker": (kafka) => {
    kafka.onProducer = (producer) => {
      producer.onSent = (sent) =>
        setImmediate(() => {
          for (const { id, record } of sent) {
            if (isBad(record.value)) producer.fail(id, refused);
            else producer.acknowledge(id);
          }
        });
    };
  },
};

const settings = (kafka: FakeKafka, way: string) => ({
  kafka: kafka.settings,
  value: {
    encode: (value: string): Buffer => {
      if (way === "cannot be encoded" && isBad(value)) throw new Error("cannot");
      return Buffer.from(value);
    },
  },
});

/** The outputs of a record are the words of its value. */
const outputs = ({ value }: { readonly value: string }): readonly ProducerRecord<string, string>[] =>
  value.split(" ").map((each) => ({ topic: "out", value: each }));

/** Of one part and of several; the bad one is first, in the middle and last, and so is its record. */
const INPUT = ["bad0 x", "a", "b c d", "e bad1 f", "bad2", "g", "h i bad3"];

const reading = (kafka: FakeKafka) => ({ kafka: kafka.settings, topics: ["t"], value: string() });
const supervision = Supervision.resumingDecider;

const SURFACES: Readonly<Record<string, (kafka: FakeKafka, way: string) => DrainingControl<void>>> = {
  explicit: (kafka, way) =>
    committableSource(reading(kafka))
      .map(({ record, offset }) => produceMulti(outputs(record), offset))
      .via(producerFlow(settings(kafka, way)))
      .map(({ passThrough }) => passThrough)
      .withAttributes({ supervision })
      .toMat(committerSink({ maxBatch: 1, maxIntervalMs: 1 }), DrainingControl.from)
      .run(),
  followed: (kafka, way) =>
    sourceWithOffsetContext(reading(kafka))
      .map(outputs)
      .via(producerFlowWithContext(settings(kafka, way)))
      .withAttributes({ supervision })
      .toMat(committerSink({ maxBatch: 1, maxIntervalMs: 1 }), DrainingControl.from)
      .run(),
};

describe("a record that a producer goes on without", () => {
  for (const way of Object.keys(WAYS)) {
    for (const [surface, run] of Object.entries(SURFACES)) {
      it(`ends, and its partition goes on committing to its end, where it ${way} (${surface})`, () =>
        assertAllClosed(async () => {
          const kafka = new FakeKafka();
          WAYS[way]?.(kafka);
          const control = run(kafka, way);
          await kafka.client.assign(p0);
          kafka.client.give(INPUT.map((value, offset) => ({ ...p0, offset, value })));
          await until(() => control.report()[0]?.committed === INPUT.length, "a commit of all");
          expect(control.explain().partitions[0]).to.include({ inFlight: 0, blockedBy: undefined });
          const report = await control.drainAndShutdown();
          expect(report).to.include({ delivered: INPUT.length, abandoned: 0, expectedReplays: 0 });
          // On the explicit surface a later offset covers it, unless it is the last.
          expect(report.discarded).to.equal(surface === "followed" ? 4 : 1);
          kafka.verify();
        }));
    }

    it(`ends its claim once, with the reason why it is discarded, where it ${way}`, () =>
      assertAllClosed(async () => {
        const kafka = new FakeKafka();
        WAYS[way]?.(kafka);
        const ended: string[] = [];
        const cells = INPUT.map((value, index) => ({
          value: { value },
          claim: {
            share: () => undefined,
            end: (...told: readonly (string | undefined)[]) => void ended.push(`${index} ${told.join(": ")}`),
            at: () => undefined,
          },
        }));
        const sent = await SourceWithContext.fromSource(Source.from(cells))
          .map(outputs)
          .via(producerFlowWithContext(settings(kafka, way)))
          .withAttributes({ supervision })
          .discardContext()
          .runWith(Sink.toArray());
        expect(sent.map((each) => each.length)).to.deep.equal([1, 3, 1]);
        const why = "discarded: producerFlowWithContext failed, and supervision went on without it";
        const dropped = ended.filter((told) => told.endsWith(why)).map((told) => Number(told[0]));
        expect(dropped.toSorted()).to.deep.equal([0, 3, 4, 6]);
        expect(ended).to.have.length(INPUT.length);
      }));
  }
});
