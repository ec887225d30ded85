import type { ProducerEnvelope, ProducerResult } from "@millrace/kafka";
import { Flow } from "@millrace/streams";

/** What a `producerFlow` emits for the envelope: its records are stored in partition 0, or their own, from `offset` on. */
export const producerResult = <K, V, PassThrough>(
  envelope: ProducerEnvelope<K, V, PassThrough>,
  offset = 0,
): ProducerResult<PassThrough> => ({
  metadata: envelope.records.map(({ topic, partition = 0 }, index) => ({ topic, partition, offset: offset + index })),
  passThrough: envelope.passThrough,
});

/** In place of a `producerFlow`: keeps each envelope in `sent` and answers it at once; offsets are counted from 0 on. */
export const producerResults = <K, V, PassThrough>(
  sent: ProducerEnvelope<K, V, PassThrough>[] = [],
): Flow<ProducerEnvelope<K, V, PassThrough>, ProducerResult<PassThrough>> =>
  Flow.of<ProducerEnvelope<K, V, PassThrough>>().statefulMap(
    () => 0,
    (offset, envelope) => {
      sent.push(envelope);
      return [offset + envelope.records.length, producerResult(envelope, offset)] as const;
    },
  );
