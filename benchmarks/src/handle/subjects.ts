import {
  type Committable,
  committableSource,
  committerSink,
  deadLetters,
  DrainingControl,
  handle,
  handleCommittable,
  silentLogger,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { memoryDriver } from "./memory-driver.js";

const PARALLELISM = 64;

const settings = (records: number) => ({
  kafka: { brokers: "memory:9092", groupId: "g", driver: memoryDriver(records), logger: silentLogger },
  topics: ["t"],
  key: string(),
  until: "end" as const,
});

const work = (): Promise<void> => Promise.resolve();

/** Without a policy, and with one; each handles so many records in the order of their keys, and commits them. */
export const subjects: Readonly<Record<string, (records: number) => Promise<unknown>>> = {
  mapAsyncPartitionedUnordered: (records) =>
    sourceWithOffsetContext(settings(records))
      .mapAsyncPartitionedUnordered(PARALLELISM, ({ key }) => key, work)
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion,
  handle: (records) =>
    sourceWithOffsetContext(settings(records))
      .via(handle(work, { parallelism: PARALLELISM, otherwise: "stop" }))
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion,
  "handle, dead letters": (records) =>
    sourceWithOffsetContext(settings(records))
      .via(handle(work, { parallelism: PARALLELISM, otherwise: () => deadLetters() }))
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion,
  mapAsyncPartitioned: (records) =>
    committableSource(settings(records))
      .mapAsyncPartitioned(
        PARALLELISM,
        ({ record }) => record.key,
        async ({ offset }): Promise<Committable> => {
          await work();
          return offset;
        },
      )
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion,
  handleCommittable: (records) =>
    committableSource(settings(records))
      .via(handleCommittable(work, { parallelism: PARALLELISM, otherwise: "stop" }))
      .map((offset): Committable => offset)
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion,
};
