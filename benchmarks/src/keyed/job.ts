/** What every implementation does: read, work on each record, commit (or not care). */
export interface KeyedJob {
  readonly brokers: string;
  readonly groupId: string;
  readonly topic: string;
  /** Records in the topic; the job ends when so many have left the implementation. */
  readonly records: number;
  /** Calls of `work` open at a time. */
  readonly concurrency: number;
  readonly work: (key: string, value: Buffer) => Promise<number>;
  /** One more record is done with. */
  readonly onDone: () => void;
}

/** Works until all records are done with, then closes its client. */
export type Keyed = (job: KeyedJob) => Promise<void>;

/** The same for all, beside what each client needs to know. */
export const consumerProperties = (job: KeyedJob) => ({
  "bootstrap.servers": job.brokers,
  "group.id": job.groupId,
  // At the default of a second a full queue costs more than half of the rate.
  "fetch.queue.backoff.ms": 5,
});
