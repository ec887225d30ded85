import {
  type CommittableMessage,
  type CommittableOffset,
  committableSink,
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
  isProducerFailure,
  passThrough,
  produce,
  producerFlow,
  producerFlowWithContext,
  produceMulti,
  sharedProducer,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { checkDelivery, type DeliveryPipeline, type DeliveryWorld } from "@millrace/kafka-testkit";
import type { Source } from "@millrace/streams";
import { expect } from "chai";
import { caught } from "./support/caught.js";

const AT_LEAST_ONCE = { guarantee: "at-least-once", runs: 80 } as const;
/** Records fail now and then, and the queue takes what it likes. */
const FAILING = { produceErrorRate: 0.2, partialAcceptRate: 0.5 };

const explicit = ({ kafka, input }: DeliveryWorld): Source<CommittableMessage<string, string>, Control> =>
  committableSource({ kafka, topics: [input], value: string() });

const envelopes = (world: DeliveryWorld) =>
  explicit(world).map(({ record, offset }) =>
    produce({ topic: world.output, key: record.key, value: record.value }, offset),
  );

/** A second attempt for what failed; should that fail as well, the stream does. */
const again: DeliveryPipeline = (world) =>
  envelopes(world)
    .via(producerFlow<string, string, CommittableOffset>({ kafka: world.kafka, value: string(), failures: "element" }))
    .map((each) =>
      isProducerFailure(each) ? produceMulti(each.failed, each.unfinished) : passThrough(each.passThrough),
    )
    .toMat(committableSink<string, string>({ kafka: world.kafka, value: string() }), DrainingControl.from);

/** The failure is seen and taken for a result. */
const forgotten: DeliveryPipeline = (world) =>
  envelopes(world)
    .via(producerFlow<string, string, CommittableOffset>({ kafka: world.kafka, value: string(), failures: "element" }))
    .map((each) => (isProducerFailure(each) ? each.unfinished : each.passThrough))
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);

describe("checkDelivery on producers", function () {
  this.timeout(60_000);

  it("finds the record that is lost where a failure as an element is not acted on", async () => {
    const error = await caught(forgotten, { faults: { produceErrorRate: 0.3 } });
    expect(error.code).to.equal("LOST");
  });

  it("finds nothing in a failure that is sent again, on the explicit surface", async () => {
    await checkDelivery(again, { ...AT_LEAST_ONCE, faults: FAILING });
  });

  it("finds nothing in a failure that is sent again, with context and over one shared producer", async () => {
    const pipeline: DeliveryPipeline = (world) => {
      const producer = sharedProducer({ kafka: world.kafka });
      return sourceWithOffsetContext({ kafka: world.kafka, topics: [world.input], value: string() })
        .map(({ key, value }) => ({ topic: world.output, key, value }))
        .via(producerFlowWithContext<string, string>({ producer, value: string(), failures: "element" }))
        .map((sent) => (isProducerFailure(sent) ? sent.failed : []))
        .via(producerFlowWithContext<string, string>({ producer, value: string() }))
        .toMat(committerSink(), DrainingControl.from);
    };
    await checkDelivery(pipeline, { ...AT_LEAST_ONCE, faults: FAILING });
  });

  it("finds nothing in committableSink, with a client of its own", async () => {
    const pipeline: DeliveryPipeline = (world) =>
      envelopes(world).toMat(
        committableSink<string, string>({ kafka: world.kafka, value: string() }),
        DrainingControl.from,
      );
    await checkDelivery(pipeline, AT_LEAST_ONCE);
    await checkDelivery(pipeline, { ...AT_LEAST_ONCE, processes: 2, seed: 7 });
  });

  it("finds nothing in committableSink over a shared producer, whose queue is full most of the time", async () => {
    const pipeline: DeliveryPipeline = (world) => {
      const producer = sharedProducer({ kafka: world.kafka, properties: { "queue.buffering.max.messages": 2 } });
      return envelopes(world).toMat(
        committableSink<string, string>({ producer, value: string() }),
        DrainingControl.from,
      );
    };
    await checkDelivery(pipeline, { ...AT_LEAST_ONCE, faults: { partialAcceptRate: 0.5 } });
    await checkDelivery(pipeline, AT_LEAST_ONCE);
  });
});
