import type { TopicPartition, TopicPartitionOffset, TopicPartitionTime, Watermarks } from "../port.js";
import { connectorError } from "./error-codes.js";
import type { KafkaConnectorError } from "../../errors/errors.js";
import type { NativeCommitted, NativeConsumer, NativeError } from "./native.js";
import { CODE } from "../codes.js";

/** Makes a call of the client's that it answers off the main thread. */
export type CallNative = <T>(
  what: string,
  timeoutMs: number,
  call: (done: (error: NativeError | null | undefined, result: T) => void) => void,
) => Promise<T>;

/** Reads partitions on from elsewhere: one call each, for that is what there is. */
export async function seekAll(
  native: NativeConsumer,
  call: CallNative,
  positions: readonly TopicPartitionOffset[],
  timeoutMs: number,
): Promise<void> {
  await Promise.all(
    positions.map(({ topic, partition, offset }) =>
      // Without a time-out the client would not report whether it did.
      call<undefined>(`seek ${topic} ${partition} to ${offset}`, timeoutMs, (done) =>
        native.seek({ topic, partition, offset }, timeoutMs, (error) => done(error, undefined)),
      ),
    ),
  );
}

/** The client knows partitions that it has fetched of, and negative offsets stand for none. */
export function watermarksFetchedOf(
  native: NativeConsumer,
  { topic, partition }: TopicPartition,
): Watermarks | undefined {
  try {
    const { lowOffset, highOffset } = native.getWatermarkOffsets(topic, partition);
    return highOffset < 0 ? undefined : { low: Math.max(0, lowOffset), high: highOffset };
  } catch {
    return undefined;
  }
}

/** Where the group was; a partition without a position is left out. */
export async function committedOf(
  native: NativeConsumer,
  call: CallNative,
  partitions: readonly TopicPartition[],
  timeoutMs: number,
): Promise<readonly TopicPartitionOffset[]> {
  const answers = await call<readonly (Error | NativeCommitted)[]>("read committed positions", timeoutMs, (done) =>
    native.committed(partitions, timeoutMs, done),
  );
  return answers.flatMap((answer) => {
    if (answer instanceof Error) {
      throw connectorError("CLIENT_FAILED", "A committed position could not be read", answer);
    }
    const { topic, partition, offset, metadata } = answer;
    if (offset === undefined || offset < 0) return [];
    return metadata ? { topic, partition, offset, metadata } : { topic, partition, offset };
  });
}

const MISSING: readonly (number | undefined)[] = [CODE.unknownPartition, CODE.unknownTopic, 3];

/** The timestamp goes where the answer's offset comes back: -1 says that no record is as young. */
export async function offsetsAt(
  native: NativeConsumer,
  call: CallNative,
  times: readonly TopicPartitionTime[],
  timeoutMs: number,
): Promise<readonly TopicPartitionOffset[]> {
  const asked = times.map(({ topic, partition, timestamp }) => ({ topic, partition, offset: timestamp }));
  try {
    const answers = await call<readonly (Error | NativeCommitted)[]>("look offsets up by time", timeoutMs, (done) =>
      native.offsetsForTimes(asked, timeoutMs, done),
    );
    return answers.flatMap((answer) => {
      // Its text is all that is left of the error of one partition; a partition that exists has none.
      if (answer instanceof Error || answer.offset === undefined || answer.offset < 0) return [];
      return { topic: answer.topic, partition: answer.partition, offset: answer.offset };
    });
  } catch (error) {
    // One that does not exist fails them all, so each is asked by itself.
    if (!MISSING.includes((error as KafkaConnectorError).clientCode)) throw error;
    if (times.length === 1) return [];
    return (await Promise.all(times.map((each) => offsetsAt(native, call, [each], timeoutMs)))).flat();
  }
}
