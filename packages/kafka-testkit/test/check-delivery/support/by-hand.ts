import type { ConsumerClient, KafkaDriver, ProducerClient, RecordChunk } from "@millrace/kafka";
import type { DeliveryWorld } from "@millrace/kafka-testkit";
import { type RunnableGraph, Sink, Source } from "@millrace/streams";
import { expect } from "chai";

const TIMEOUT_MS = 5000;

export interface Loop {
  /** Left out, each transaction leaves the position where it was. */
  readonly sendOffsets: boolean;
}

interface Clients {
  readonly consumer: ConsumerClient;
  readonly producer: ProducerClient;
}

const open = (world: DeliveryWorld): Clients => {
  const driver: KafkaDriver = world.kafka.driver ?? expect.fail("the world has a driver");
  const quiet = (): void => undefined;
  const consumer = driver.consumer(
    { ...world.kafka.properties, "group.id": world.kafka.groupId ?? "", "auto.offset.reset": "earliest" },
    { onAssign: quiet, onRevoke: quiet, onError: quiet },
  );
  const producer = driver.producer({ "transactional.id": "copier" }, { onReports: quiet, onError: quiet });
  return { consumer, producer };
};

const copy = async (world: DeliveryWorld, { consumer, producer }: Clients, chunk: RecordChunk, loop: Loop) => {
  const transactions = producer.transactions ?? expect.fail("the producer has transactions");
  await transactions.begin();
  const records = Array.from({ length: chunk.length }, (_, index) => ({
    topic: world.output,
    key: null,
    value: chunk.value(index),
  }));
  for (let from = 0; from < records.length; ) {
    from += producer.produceBatch(records, from, 0);
    if (from < records.length) await world.sleep(10);
  }
  const positions = chunk
    .runs()
    .map(({ topic, partition, lastOffset }) => ({ topic, partition, offset: lastOffset + 1 }));
  if (loop.sendOffsets) await transactions.sendOffsets(positions, consumer, TIMEOUT_MS);
  await transactions.commit(TIMEOUT_MS);
  // Answered by a later poll.
  if (!loop.sendOffsets) consumer.commit(positions).catch(() => undefined);
};

/** Consume, transform and produce in transactions, by the clients alone; whatever fails ends the process. */
export const copyingInTransactions = (world: DeliveryWorld, loop: Loop): RunnableGraph<Promise<unknown>> => {
  const live = async (): Promise<void> => {
    const clients = open(world);
    const { consumer, producer } = clients;
    try {
      await Promise.all([consumer.connect(), producer.connect()]);
      await producer.transactions?.init(TIMEOUT_MS);
      consumer.subscribe({ kind: "topics", topics: [world.input] });
      for (;;) {
        const chunk = await consumer.poll({ maxRecords: 2, waitMs: 50 });
        if (chunk) await copy(world, clients, chunk, loop);
      }
    } finally {
      await Promise.allSettled([producer.close({ drop: true }), consumer.close()]);
    }
  };
  return Source.single(undefined)
    .mapAsync(1, live)
    .toMat(Sink.ignore, (_, done) => done);
};
