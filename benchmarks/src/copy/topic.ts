import { type OutgoingRecord, rdkafkaDriver } from "@millrace/kafka";

const FLUSH_MS = 60_000;

/** Of record `index` of a topic. */
export type RecordAt = (index: number) => OutgoingRecord;

/** Small JSON of about 100 bytes, with a key. */
export const orders =
  (topic: string, partitions: number): RecordAt =>
  (index) => ({
    topic,
    partition: index % partitions,
    key: Buffer.from(`customer-${(index * 7919) % 1000}`),
    value: Buffer.from(JSON.stringify({ order: index, customer: (index * 7919) % 1000, note: "x".repeat(60) })),
  });

/** Sends records; done when everything is acknowledged. */
export const fillTopic = async (brokers: string, records: number, recordAt: RecordAt): Promise<void> => {
  let reported = (): void => undefined;
  let failure: Error | undefined;
  const producer = rdkafkaDriver.producer(
    { "bootstrap.servers": brokers, "queue.buffering.max.messages": 50_000 },
    {
      onReports: ({ errors }) => {
        failure ??= errors.find((error) => error !== undefined);
        reported();
      },
      onError: () => undefined,
    },
  );
  await producer.connect();
  for (let start = 0; start < records && failure === undefined; start += 1000) {
    const batch = Array.from({ length: Math.min(1000, records - start) }, (_, index) => recordAt(start + index));
    for (let sent = 0; sent < batch.length && failure === undefined; ) {
      sent += producer.produceBatch(batch, sent, 0);
      if (sent < batch.length) await new Promise<void>((resolve) => (reported = resolve));
    }
  }
  await producer.flush(FLUSH_MS);
  await producer.close();
  if (failure !== undefined) throw failure;
};
