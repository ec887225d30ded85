import { type FlowWithContext, type RunnableGraph, Source } from "@millrace/streams";
import {
  attempt,
  type Attempt,
  type CommittableMessage,
  type CommittableOffset,
  CommittableOffsetBatch,
  committableSink,
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
  isProducerFailure,
  json,
  passThrough,
  plainSource,
  produce,
  produceMulti,
  type ProducerEnvelope,
  type ProducerFailure,
  producerFlow,
  producerFlowWithContext,
  type ProducerInput,
  type ProducerResult,
  producerSink,
  type RecordMetadata,
  sharedProducer,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";
import { z } from "zod";
import { FakeKafka } from "../support/fake-kafka.js";

interface Order {
  id: string;
}

const order = z.object({ id: z.string() });
const kafka = new FakeKafka().settings;

describe("types of the Kafka surface", () => {
  it("infer from the committable source to the draining control", () => {
    const graph = committableSource({ kafka, topics: ["orders"], value: json(order) })
      .map((message) => {
        expectTypeOf(message).toEqualTypeOf<CommittableMessage<string, Order>>();
        expectTypeOf(message.record.key).toEqualTypeOf<string | null>();
        return produce({ topic: "out", key: message.record.key, value: message.record.value }, message.offset);
      })
      .via(producerFlow({ kafka, value: json(order) }))
      .map((result) => {
        expectTypeOf(result).toEqualTypeOf<ProducerResult<CommittableOffset>>();
        return result.passThrough;
      })
      .toMat(committerSink(), DrainingControl.from);
    expectTypeOf(graph).toEqualTypeOf<RunnableGraph<DrainingControl<void>>>();
    expectTypeOf<ReturnType<typeof graph.run>>().toEqualTypeOf<DrainingControl<void>>();
  });

  it("carry an optional offset through a producer flow, of which collect keeps the present ones", () => {
    const offsets = committableSource({ kafka, topics: ["orders"], value: string() })
      .mapConcat((message): ProducerEnvelope<string, string, CommittableOffset | undefined>[] => [
        produce({ topic: "out", value: message.record.value }),
        passThrough(message.offset),
      ])
      .via(producerFlow<string, string, CommittableOffset | undefined>({ kafka, value: string() }))
      .collect((result) => result.passThrough)
      .batch(10, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset));
    expectTypeOf(offsets).toEqualTypeOf<Source<CommittableOffsetBatch, Control>>();
  });

  it("default to text keys and bytes that may be missing", () => {
    const source = committableSource({ kafka, topics: ["t"] });
    expectTypeOf(source).toEqualTypeOf<Source<CommittableMessage<string, Buffer | null>, Control>>();
  });

  it("follow the serdes of a plain source", () => {
    const source = plainSource({ kafka, topics: ["t"], key: json(z.number()), value: attempt(json(order)) });
    source.map((record) => {
      expectTypeOf(record.key).toEqualTypeOf<number | null>();
      expectTypeOf(record.value).toEqualTypeOf<Attempt<Order>>();
    });
  });

  it("give the record to the metadata function as decoded", () => {
    committableSource({
      kafka,
      topics: ["t"],
      value: json(order),
      metadata: (record) => {
        expectTypeOf(record.value).toEqualTypeOf<Order>();
        return record.value.id;
      },
    });
  });

  it("know what an envelope passes through", () => {
    expectTypeOf(produce({ topic: "t", value: 1 })).toEqualTypeOf<ProducerEnvelope<never, number, undefined>>();
    expectTypeOf(produceMulti([{ topic: "t", value: 1 }], "x")).toEqualTypeOf<
      ProducerEnvelope<never, number, string>
    >();
    expectTypeOf(passThrough(1)).toEqualTypeOf<ProducerEnvelope<never, never, number>>();
  });

  it("refuse what cannot work", () => {
    // @ts-expect-error a record is no offset
    committableSource({ kafka, topics: ["t"] }).toMat(committerSink(), DrainingControl.from);
    // @ts-expect-error a plain source has no offset
    plainSource({ kafka, topics: ["t"] }).map((record): unknown => record.offset.owner);
    committableSource({ kafka, topics: ["t"], value: string() })
      .map((message) => produce({ topic: "out", value: 1 }, message.offset))
      // @ts-expect-error the serde is of text, the value a number
      .via(producerFlow<string, string, CommittableOffset>({ kafka, value: string() }));
  });

  it("distinguish failures as elements from results, and offer them only where they are asked for", () => {
    type Failure = ProducerFailure<string, Order, number>;
    const envelopes = Source.single(produce({ topic: "out", value: { id: "a" } }, 7));
    const asked = producerFlow<string, Order, number>({ kafka, value: json(order), failures: "element" });
    envelopes.via(asked).map((each) => {
      expectTypeOf(each).toEqualTypeOf<ProducerResult<number> | Failure>();
      if (isProducerFailure(each)) expectTypeOf(each.unfinished).toEqualTypeOf<number>();
      else expectTypeOf(each).toEqualTypeOf<ProducerResult<number>>();
    });
    // So that `.map((each) => each.passThrough)` does not compile, which would commit what was not sent.
    expectTypeOf<ProducerResult<number> | Failure>().not.toHaveProperty("passThrough");
    const followed = producerFlowWithContext<string, Order>({ kafka, value: json(order), failures: "element" });
    expectTypeOf(followed).toEqualTypeOf<
      FlowWithContext<ProducerInput<string, Order>, readonly RecordMetadata[] | ProducerFailure<string, Order>>
    >();
    const sent = sourceWithOffsetContext<string, Order>({ kafka, topics: ["orders"], value: json(order) })
      .map(({ value }) => ({ topic: "out", value }))
      .via(followed);
    // @ts-expect-error a failure that nobody has dealt with must not be committed
    sent.toMat(committerSink(), DrainingControl.from);
    // @ts-expect-error nor by this one
    sent.to(committerSink());
    sent.map((each) => (isProducerFailure(each) ? each.failed : [])).to(committerSink());
    sent.map((): unknown => undefined).to(committerSink());
    // @ts-expect-error a sink has nowhere to emit failures to
    expect(() => producerSink({ kafka, failures: "element" })).to.throw("has no setting failures");
  });

  it("let envelopes without an offset into a committable sink, and nothing else in its place", () => {
    const sink = committableSink<string, Order>({ kafka, value: json(order) });
    Source.single(produce({ topic: "out", value: { id: "a" } })).to(sink);
    // @ts-expect-error a number is no offset
    Source.single(produce({ topic: "out", value: { id: "a" } }, 7)).to(sink);
  });

  it("take either a cluster or a shared producer", () => {
    const producer = sharedProducer({ kafka });
    producerSink({ producer });
    // @ts-expect-error one of them, not both
    expect(() => producerSink({ producer, kafka })).to.throw("exactly one");
    // @ts-expect-error properties belong to the client
    expect(() => producerSink({ producer, properties: {} })).to.throw("sharedProducer");
  });
});
