import {
  type CommittableMessage,
  type CommittableOffset,
  committableSource,
  type ConsumerRecord,
  type ConsumerSettings,
  type Control,
  type ProducerEnvelope,
  type ProducerRecord,
  producerFlow,
  producerFlowWithContext,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { DeliveryWorld } from "@millrace/kafka-testkit";
import { Flow, type FlowWithContext, type Source, type SourceWithContext } from "@millrace/streams";

export type Message = CommittableMessage<string, string>;
export type FollowedRecord = ConsumerRecord<string, string>;

/** What a sending pipeline passes along: a record to send, and the offset which that finishes, if any. */
export type Envelope = ProducerEnvelope<string, string, CommittableOffset | undefined>;

export const explicit = ({ kafka, input }: DeliveryWorld): Source<Message, Control> =>
  committableSource({ kafka, topics: [input], value: string() });

export const followed = (
  { kafka, input }: DeliveryWorld,
  settings: Pick<ConsumerSettings, "maxReplay"> = {},
): SourceWithContext<FollowedRecord, Control> =>
  sourceWithOffsetContext({ kafka, topics: [input], value: string(), ...settings });

/** The effect of the record, and then the message again. */
export const working =
  (world: DeliveryWorld) =>
  async (message: Message): Promise<Message> => {
    await world.effect(message.record.value);
    return message;
  };

/** The same on the followed surface. */
export const effecting =
  (world: DeliveryWorld) =>
  async (record: FollowedRecord): Promise<FollowedRecord> => {
    await world.effect(record.value);
    return record;
  };

export const offsetOf = ({ offset }: Message): CommittableOffset => offset;

export const output = (
  world: DeliveryWorld,
  { record }: Pick<Message, "record">,
  suffix = "",
): ProducerRecord<string, string> => ({
  topic: world.output,
  key: record.key,
  value: `${record.value}${suffix}`,
});

/** Sends, and passes on the offsets that come out. */
export const sending = ({ kafka }: DeliveryWorld): Flow<Envelope, CommittableOffset> =>
  Flow.of<Envelope>()
    .via(producerFlow<string, string, CommittableOffset | undefined>({ kafka, value: string() }))
    .collect(({ passThrough }) => passThrough);

/** Sends each record on, on the followed surface. */
export const copying = (world: DeliveryWorld): FlowWithContext<ProducerRecord<string, string>, unknown> =>
  producerFlowWithContext<string, string>({ kafka: world.kafka, value: string() });
