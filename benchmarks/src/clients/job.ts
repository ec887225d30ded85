export const workloads = ["consume", "commit", "produce", "copy"] as const;

/**
 * - `consume`: reads and looks at every record; commits nothing.
 * - `commit`: the same, and commits what has been looked at.
 * - `produce`: sends records until all are acknowledged.
 * - `copy`: from topic to topic; commits what is acknowledged.
 */
export type Workload = (typeof workloads)[number];

export interface ClientJob {
  readonly brokers: string;
  readonly groupId: string;
  /** What is read. Its records begin at offset 0 and have no holes. */
  readonly from: string;
  /** What is written. */
  readonly to: string;
  readonly partitions: number;
  readonly records: number;
  /** Bytes of a value. */
  readonly size: number;
  /** Called for each record that was read, in the order of its partition. Throws when the record is damaged. */
  readonly process: (value: Buffer | null) => void;
  /** So many records are committed (`commit`, `copy`) or acknowledged (`produce`) by now. */
  readonly onDone: (total: number) => void;
  /** Something failed of which no call tells. */
  readonly onFailure: (error: unknown) => void;
  /** Resolves when all records are done with; rejects when something has failed. */
  readonly finished: Promise<void>;
}

/** Works until `job.finished`, then closes its clients. */
export type Work = (job: ClientJob) => Promise<void>;

/** What the module of a client exports as `works`; a workload that makes no difference to it is left out. */
export type Works = Partial<Readonly<Record<Workload, Work>>>;

/** Records of one call of a client that sends many at a time: a thousand, but half a megabyte at most. */
export const recordsPerSend = (size: number): number => Math.max(1, Math.min(1000, Math.floor(500_000 / size)));

/** Sends that may be under way at a time. */
export const SENDS_IN_FLIGHT = 4;
