/**
 * The few calls Millrace needs of a Kafka client, so that a driver can be replaced without touching a stage.
 *
 * Life of a consumer client: `connect` → `subscribe` → `poll` in a loop → `close`. Rebalances, commit results and errors
 * travel beside the chunks, and a client serves them only inside `poll`, so the owner of a consumer polls until `close`,
 * also while everything is paused, while it drains and while it waits for a commit.
 */

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A position: the offset of the *next* record to read, which is what Kafka stores for a group. */
export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: number;
  readonly metadata?: string;
}

/** Where to begin to read a partition: at an offset, or at an end of it as it is then. */
export interface StartPosition extends TopicPartition {
  readonly offset: number | "beginning" | "end";
}

/** Where to begin with an assigned partition; without an offset where the client would by itself. */
export interface StartingPartition extends TopicPartition {
  readonly offset?: StartPosition["offset"];
}

/** Milliseconds since the epoch, to look an offset up by. */
export interface TopicPartitionTime extends TopicPartition {
  readonly timestamp: number;
}

/** Header names may repeat; values are bytes, or `null`, which the bindings to librdkafka read as empty bytes. */
export type Headers = readonly (readonly [name: string, value: Buffer | null])[];

/** Neighbouring records of one partition inside a chunk, offsets ascending: indices `from` (inclusive) to `to` (exclusive). */
export interface PartitionRun extends TopicPartition {
  readonly from: number;
  readonly to: number;
  readonly lastOffset: number;
  /** Of all these records together, as `RecordChunk.bytes` counts them. */
  readonly bytes: number;
}

/**
 * What `poll` returns: columns, so that a driver may keep the records in one arena.
 * `key` and `value` are valid until `release`; a stage that keeps them longer copies them.
 */
export interface RecordChunk {
  readonly length: number;
  topic(index: number): string;
  partition(index: number): number;
  offset(index: number): number;
  /** Milliseconds since the epoch, or -1 where the broker gave none. */
  timestamp(index: number): number;
  key(index: number): Buffer | null;
  value(index: number): Buffer | null;
  headers(index: number): Headers;
  /** What key, value and headers of a record take. */
  bytes(index: number): number;
  runs(): readonly PartitionRun[];
  /**
   * Records from `from` (inclusive) to `to` (exclusive) are not asked for again, so their memory may be freed before
   * that of the others. What was handed out of them stays valid until `release`. Absent where they go together.
   */
  forget?(from: number, to: number): void;
  release(): void;
}

export type Subscription =
  | { readonly kind: "topics"; readonly topics: readonly string[] }
  | { readonly kind: "pattern"; readonly pattern: RegExp }
  /**
   * Manual: never rebalances and never calls the listener's `onAssign` or `onRevoke`. Without an offset the group's
   * committed position is used, else `auto.offset.reset`. Another subscription replaces it.
   */
  | {
      readonly kind: "assignment";
      readonly partitions: readonly StartingPartition[];
    };

/** Flat librdkafka properties; the driver sends each to the level (client or topic) at which librdkafka reads it. */
export type ClientProperties = Readonly<Record<string, string | number | boolean>>;

export interface ConsumerListener {
  /** The partitions are assigned and fetched once the returned promise resolves. */
  onAssign(partitions: readonly TopicPartition[]): Promise<void> | void;
  /**
   * Asked for each partition once `onAssign` has resolved: where to begin with it. `undefined`: at the group's committed
   * position, else `auto.offset.reset`.
   */
  startOf?(partition: TopicPartition): StartPosition["offset"] | undefined;
  /** The partitions are given up once the returned promise resolves; the client goes on polling meanwhile. */
  onRevoke(partitions: readonly TopicPartition[]): Promise<void> | void;
  /**
   * Called instead of `onRevoke` where the client knows that the partitions belong to others already: it was expired or
   * fenced. Nothing can be committed for them. A client may not know, and then calls `onRevoke`.
   */
  onLost?(partitions: readonly TopicPartition[]): Promise<void> | void;
  /** An error that no call reports: a broker gone, an authentication failure. `fatal` ones end the client. */
  onError(error: Error): void;
  /**
   * Where given: everything below `offset` has been fetched, and there was nothing more then; called inside `poll`, before
   * it resolves. It comes again each time the end is reached.
   */
  onPartitionEnd?(end: TopicPartitionOffset): void;
  /**
   * The topic was deleted and made again under its name: offsets of the old one mean nothing in it. The client itself
   * reads on at its old offset. Called before anything of the new one is read, or with the first records.
   */
  onTopicRemade?(topic: string): void;
  /** The client's statistics as JSON text, where `statistics.interval.ms` asks for them. */
  onStatistics?(json: string): void;
}

export interface PollOptions {
  readonly maxRecords: number;
  /** How long to wait for the *first* record; what is queued is returned at once. */
  readonly waitMs: number;
}

export interface BrokerNode {
  readonly id: number;
  /** As the cluster advertises it. */
  readonly host: string;
  readonly port: number;
}

export interface PartitionMetadata extends TopicPartition {
  /** The id of the broker that leads it; `undefined` while none does. */
  readonly leader: number | undefined;
  /** Ids of the brokers that have a copy, the preferred leader first. */
  readonly replicas: readonly number[];
  /** Those of them that have caught up. */
  readonly inSyncReplicas: readonly number[];
}

export interface TopicMetadata {
  readonly topic: string;
  /** In order of their numbers; never empty. */
  readonly partitions: readonly PartitionMetadata[];
}

/** What one broker knew of the cluster when it was asked; another may be ahead of it. */
export interface ClusterMetadata {
  readonly brokers: readonly BrokerNode[];
  readonly topics: readonly TopicMetadata[];
}

/** Where the log of a partition begins and ends: its first offset that is left, and the next that a record gets. */
export interface Watermarks {
  readonly low: number;
  readonly high: number;
}

export interface ConsumerClient {
  connect(): Promise<void>;
  /** Returns at once; assignments arrive through the listener while polling. */
  subscribe(subscription: Subscription): void;
  /**
   * Never two at a time. Rejects with the client's error; polling may go on unless the error is fatal. A chunk holds no
   * record of a partition that was given up and assigned again since this poll began: it could not be distinguished
   * from new ones.
   */
  poll(options: PollOptions): Promise<RecordChunk | undefined>;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /**
   * Reads assigned partitions on from these offsets. Never while a poll runs; the polls after it return nothing that was
   * fetched before. After a rejection the positions are unknown.
   */
  seek(positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void>;
  /**
   * Fetches what is assigned anew, as if it had just been assigned; the group does not notice. `partitions` are all
   * that are assigned: one without an offset begins as it did at first. Never while a poll runs. Throws while a
   * rebalance waits for its handlers. Absent where the client cannot; then the watchdog only seeks.
   */
  reassign?(partitions: readonly StartingPartition[]): void;
  /**
   * The watermarks of an assigned partition as the last answer to a fetch reported them, without asking a broker;
   * `undefined` where nothing of it was fetched. A high one behind the broker's own says that the client has not
   * fetched since.
   */
  fetchedWatermarks?(partition: TopicPartition): Watermarks | undefined;
  /** Resolves when the broker acknowledged; served inside `poll`. One at a time. Rejects where the client closes before that. */
  commit(positions: readonly TopicPartitionOffset[]): Promise<void>;
  /** Committed positions of this group; partitions without one are left out. */
  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]>;
  /** Low and high watermark as the broker knows them now. */
  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks>;
  /** The first offset at or after each timestamp; a partition without such a record, or that does not exist, is left out. */
  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]>;
  /**
   * The brokers and one topic, or all topics for `undefined`. A topic without partitions is left out: it does not exist,
   * is being made, or cannot have this name. Asking creates no topic, and may go on beside a poll.
   */
  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata>;
  /**
   * Reads these partitions beside those of a manual assignment, which go on where they are; none of them may be assigned.
   * Without `subscribe` it begins one. Never while a poll runs.
   */
  addPartitions(partitions: readonly StartingPartition[]): void;
  /** Gives partitions of a manual assignment up; the others go on. Never while a poll runs. */
  removePartitions(partitions: readonly TopicPartition[]): void;
  /**
   * Leaves the group and closes; waits for a running poll; idempotent. `hurry`, also where it closes already: it no
   * longer waits for answers of brokers and listeners, and keeps the process alive no longer than it has to.
   */
  close(options?: { readonly hurry?: boolean }): Promise<void>;
}

/** One record to send; `partition` absent means the partitioner decides by key. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly partition?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Headers;
  /** 1 or more; 0 is refused like any other that cannot be stored. */
  readonly timestamp?: number;
}

/** Delivery reports in columns; report `i` belongs to the record that was given id `ids[i]`. */
export interface DeliveryReports {
  readonly length: number;
  readonly ids: readonly number[];
  readonly partitions: readonly number[];
  /** -1 where the broker gave none. */
  readonly offsets: readonly number[];
  /** `undefined` where the record was acknowledged. */
  readonly errors: readonly (Error | undefined)[];
}

export interface ProducerListener {
  onReports(reports: DeliveryReports): void;
  onError(error: Error): void;
  /** As a consumer's. */
  onStatistics?(json: string): void;
}

export interface ProducerClient {
  connect(): Promise<void>;
  /**
   * Queues the records from `from` on, in order, with ids `firstId + index`, and returns how many were accepted.
   * Fewer than given means the queue is full: call again after the next reports. A record that can never be sent throws
   * when it is the first (`from`) and otherwise ends the batch before it, so nothing is queued by a call that throws.
   */
  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number;
  /** Records accepted and not yet reported. */
  readonly outstanding: number;
  /** Resolves when every accepted record has been reported, or rejects at the deadline. */
  flush(timeoutMs: number): Promise<void>;
  /** `drop: true` does not wait for what is queued. Idempotent. An open transaction is left to its timeout. */
  close(options?: { readonly drop?: boolean }): Promise<void>;
  /** Present where the properties name a `transactional.id`. */
  readonly transactions?: ProducerTransactions;
}

/**
 * The transactions of a producer, one at a time and one call at a time: `init` once → (`begin` → records and offsets →
 * `commit` or `abort`) in a loop. Records are produced inside a transaction only.
 *
 * Every call rejects with a `KafkaConnectorError`:
 * `PRODUCER_FENCED` (fatal): another producer has taken the `transactional.id`, or the transaction outlived its
 * timeout; close this one. `TRANSACTION_ABORTABLE`: the transaction cannot be committed; `abort` it, then begin
 * another. `TRANSACTION_FAILED`: where it is `retriable`, the outcome is unknown until the same call is made again.
 */
export interface ProducerTransactions {
  /** Fences older producers with the same `transactional.id` and ends what they left open. */
  init(timeoutMs: number): Promise<void>;
  begin(): Promise<void>;
  /** Positions of the consumer's group, visible when the transaction commits; refused once it lost its membership. */
  sendOffsets(positions: readonly TopicPartitionOffset[], consumer: ConsumerClient, timeoutMs: number): Promise<void>;
  /** Waits for the reports of all records; one that failed makes the transaction abortable. */
  commit(timeoutMs: number): Promise<void>;
  /** What is queued is dropped, and reported as failed. */
  abort(timeoutMs: number): Promise<void>;
}

export interface NewTopic {
  readonly topic: string;
  /** -1 leaves it to the brokers' `num.partitions`. */
  readonly partitions: number;
  /** -1 leaves it to the brokers' `default.replication.factor`. */
  readonly replicationFactor: number;
  /** Topic settings of Kafka, for example `{ "cleanup.policy": "compact" }`. */
  readonly config: Readonly<Record<string, string>>;
}

/**
 * Changes topics. Each call is done when the controller has accepted it, which may be before every broker knows it, and
 * rejects with a `KafkaConnectorError` that has the broker's code.
 */
export interface TopicAdmin {
  createTopic(topic: NewTopic, timeoutMs: number): Promise<void>;
  deleteTopic(topic: string, timeoutMs: number): Promise<void>;
  /** `partitions` is how many it has afterwards. */
  growTopic(topic: string, partitions: number, timeoutMs: number): Promise<void>;
  /** Waits for calls under way. Idempotent. */
  close(): Promise<void>;
}

/** What an OAuth server has given out. */
export interface OauthToken {
  readonly token: string;
  /** How long it is valid from now on, not until when: 3 600 000 is an hour. */
  readonly lifetimeMs: number;
  /** Whose token it is; appears in the client's own logs only. */
  readonly principal?: string;
  /** Sent to the broker beside the token. node-rdkafka cannot: refused there with `INVALID_SETTINGS`. */
  readonly extensions?: Readonly<Record<string, string>>;
}

/** Gets a new token at each call. After a failure, or an answer that is no token, it is called again. */
export type TokenProvider = () => Promise<OauthToken>;

/** Makes clients; the default one is node-rdkafka. `tokens` is there where the brokers want OAuth tokens. */
export interface KafkaDriver {
  readonly name: string;
  /** Whether `commit` sends the metadata of a position. */
  readonly commitsMetadata: boolean;
  /** Whether a header may hold any bytes; otherwise only UTF-8 text without NUL. */
  readonly sendsBytesInHeaders: boolean;
  /** `connectMs`: how long `connect` waits for the first answer of a broker. */
  consumer(
    properties: ClientProperties,
    listener: ConsumerListener,
    tokens?: TokenProvider,
    connectMs?: number,
  ): ConsumerClient;
  producer(
    properties: ClientProperties,
    listener: ProducerListener,
    tokens?: TokenProvider,
    connectMs?: number,
  ): ProducerClient;
  /** Absent where the client cannot change topics. */
  topicAdmin?(properties: ClientProperties, tokens?: TokenProvider): TopicAdmin;
}
