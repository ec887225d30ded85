import { Keep, Sink } from "@millrace/streams";
import {
  type CommittableMessage,
  type CommittableSettings,
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
} from "@millrace/kafka";
import type { FakeKafka } from "./fake-kafka.js";

export type Message = CommittableMessage<string, Buffer | null>;

/** A committable source of topic `t`, before it is run. */
export const source = (kafka: FakeKafka, settings: Partial<CommittableSettings<string, Buffer | null>> = {}) =>
  committableSource({ kafka: kafka.settings, topics: ["t"], ...settings });

/** Runs a source into an array that the test looks into. */
export const gather = (
  kafka: FakeKafka,
  settings: Partial<CommittableSettings<string, Buffer | null>> = {},
): { readonly messages: Message[]; readonly control: Control; readonly done: Promise<void> } => {
  const messages: Message[] = [];
  const [control, done] = source(kafka, settings)
    .toMat(
      Sink.forEach<Message>((message) => {
        messages.push(message);
      }),
      Keep.both,
    )
    .run();
  done.catch(() => undefined);
  return { messages, control, done };
};

/** Runs a source whose messages are taken one by one, and are each committed once `gate` lets it pass. */
export const gated = (
  kafka: FakeKafka,
  gate: () => Promise<unknown> = () => Promise.resolve(),
  settings: Partial<CommittableSettings<string, Buffer | null>> = {},
): { readonly messages: Message[]; readonly control: DrainingControl<void> } => {
  const messages: Message[] = [];
  const control = source(kafka, settings)
    .mapAsync(1, async (message) => {
      messages.push(message);
      await gate();
      return message.offset;
    })
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
    .run();
  return { messages, control };
};

export const p0 = { topic: "t", partition: 0 } as const;
export const p1 = { topic: "t", partition: 1 } as const;
