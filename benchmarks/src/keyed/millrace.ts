import {
  bytes,
  committerSink,
  type ConsumerRecord,
  DrainingControl,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { SourceWithContext } from "@millrace/streams";
import type { Control } from "@millrace/kafka";
import { consumerProperties, type Keyed, type KeyedJob } from "./job.js";

/** Delivered and unfinished records, or finished ones behind such: a slow key must not hold its partition back for long. */
export const MAX_IN_FLIGHT = 40_000;
export const MAX_IN_FLIGHT_TOTAL = 200_000;
/** Records that may wait for the open call of their key. */
export const MAX_WAITING = 65_536;

type Record = ConsumerRecord<string, Buffer>;
type Records = SourceWithContext<Record, Control>;
type Process = (records: Records, job: KeyedJob) => SourceWithContext<unknown, Control>;

const followed =
  (process: Process): Keyed =>
  async (job) => {
    let done = 0;
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const records: Records = sourceWithOffsetContext({
      kafka: { brokers: job.brokers, groupId: job.groupId },
      topics: [job.topic],
      key: string(),
      value: bytes(),
      maxInFlight: MAX_IN_FLIGHT,
      maxInFlightTotal: MAX_IN_FLIGHT_TOTAL,
      properties: consumerProperties(job),
    });
    const control = process(records, job)
      .map(() => {
        job.onDone();
        if (++done === job.records) finish();
      })
      .toMat(committerSink({ maxIntervalMs: 200 }), DrainingControl.from)
      .run();
    await Promise.race([finished, control.streamCompletion]);
    const { partitions } = await control.drainAndShutdown();
    const committed = partitions.reduce((sum, each) => sum + (each.committed ?? 0), 0);
    if (committed !== job.records) throw new Error(`${committed} of ${job.records} records were committed`);
  };

const keyOf = ({ key }: Record): string => key ?? "";
const options = { waiting: MAX_WAITING };

/** No order between records. */
export const unordered: Keyed = followed((records, { concurrency, work }) =>
  records.mapAsyncUnordered(concurrency, ({ key, value }) => work(key ?? "", value)),
);

/** Records of a key one after the other; results leave in input order. */
export const byKey: Keyed = followed((records, { concurrency, work }) =>
  records.mapAsyncPartitioned(concurrency, keyOf, ({ value }, key) => work(key, value), options),
);

/** Records of a key one after the other; results leave as they come. */
export const byKeyUnordered: Keyed = followed((records, { concurrency, work }) =>
  records.mapAsyncPartitionedUnordered(concurrency, keyOf, ({ value }, key) => work(key, value), options),
);
