/** What both implementations copy, and what they tell of it. */
export interface CopyJob {
  readonly brokers: string;
  readonly groupId: string;
  readonly from: string;
  readonly to: string;
  /** Records in `from`; the copy ends when so many are committed. */
  readonly records: number;
  readonly onCommitted: (records: number) => void;
}

/** Copies until `records` are acknowledged and committed, then closes its clients. */
export type Copy = (job: CopyJob) => Promise<void>;

/** The same for both, beside what each client needs to know. */
export const consumerProperties = (job: CopyJob) => ({
  "bootstrap.servers": job.brokers,
  "group.id": job.groupId,
  "auto.offset.reset": "earliest",
  // At the default of a second a full queue costs more than half of the rate.
  "fetch.queue.backoff.ms": 5,
});

export const producerProperties = (job: CopyJob) => ({
  "bootstrap.servers": job.brokers,
  "enable.idempotence": true,
  "linger.ms": 5,
  "queue.buffering.max.messages": 10_000,
});
