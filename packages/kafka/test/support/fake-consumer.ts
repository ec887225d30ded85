import type {
  ClientProperties,
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  PollOptions,
  RecordChunk,
  Subscription,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "../../src/client/port.js";
import { KafkaConnectorError } from "../../src/errors/errors.js";
import { FakeChunk, type FakeRecord } from "./fake-chunk.js";

/** The longest an empty poll of the fake waits. */
const EMPTY_POLL_MS = 5;

const keyOf = ({ topic, partition }: TopicPartition): string => `${partition} ${topic}`;

/** A commit the client was asked for; the test, or the fake's `onCommit`, answers it. */
export interface FakeCommit {
  readonly positions: readonly TopicPartitionOffset[];
  acknowledge(): void;
  fail(error: unknown): void;
}

/** What happened to the client, in order. */
export type Call =
  | { readonly call: "connect" | "poll" }
  | { readonly call: "close"; readonly commitInFlight: boolean }
  | { readonly call: "subscribe"; readonly subscription: Subscription }
  | { readonly call: "pause" | "resume" | "revoked"; readonly partitions: readonly TopicPartition[] }
  | { readonly call: "reassign"; readonly partitions: readonly TopicPartition[] }
  | { readonly call: "assigned"; readonly partitions: readonly TopicPartition[] }
  | { readonly call: "addPartitions"; readonly partitions: readonly TopicPartition[] }
  | { readonly call: "removePartitions"; readonly partitions: readonly TopicPartition[] }
  | { readonly call: "seek"; readonly positions: readonly TopicPartitionOffset[] }
  | { readonly call: "commit"; readonly positions: readonly TopicPartitionOffset[] };

/** What a poll brings. */
type Queued = FakeRecord[] | { readonly error: unknown } | { readonly end: TopicPartitionOffset };

/** A consumer client at the hand of a test. It keeps the port's rules and notes where the connector breaks one. */
export class FakeConsumer implements ConsumerClient {
  readonly properties: ClientProperties;
  readonly listener: ConsumerListener;
  readonly calls: Call[] = [];
  readonly commits: FakeCommit[] = [];
  /** Rules of the port which the connector broke. */
  readonly violations: string[] = [];
  readonly paused: Set<string> = new Set();
  connecting: Promise<void> = Promise.resolve();
  /** Called for each commit by the next poll, as a client answers; default: acknowledge. Do nothing to answer later. */
  onCommit: (commit: FakeCommit) => void = (commit) => commit.acknowledge();
  /** Called when `pause` or `resume` is; may throw. */
  onPause: () => void = () => undefined;
  onClose: () => void = () => undefined;
  /** Called when `seek` is; may reject. What was given of the partition and not fetched is gone then. */
  onSeek: (positions: readonly TopicPartitionOffset[]) => Promise<void> | void = () => undefined;
  /** Called when `reassign` is; may throw. What was given of the partitions and not fetched is gone then. */
  onReassign: (partitions: readonly TopicPartition[]) => void = () => undefined;
  /** What `fetchedWatermarks` answers. */
  onFetchedWatermarks: (partition: TopicPartition) => Watermarks | undefined = () => undefined;
  /** What `offsetsForTimes` answers. */
  onTimes: (times: readonly TopicPartitionTime[]) => readonly TopicPartitionOffset[] = () => [];
  /** What `watermarks` answers. */
  onWatermarks: (partition: TopicPartition) => Watermarks = () => ({
    low: 0,
    high: 0,
  });
  /** What `metadata` answers. */
  onMetadata: (topic: string | undefined) => ClusterMetadata = () => ({ brokers: [], topics: [] });
  closed = false;
  #queue: Queued[] = [];
  #unserved: FakeCommit[] = [];
  #commitInFlight = false;
  #owned: TopicPartition[] = [];
  readonly #added = new Set<string>();
  #polling: Promise<unknown> | undefined;
  #given: () => void = () => undefined;

  constructor(properties: ClientProperties, listener: ConsumerListener) {
    this.properties = properties;
    this.listener = listener;
  }

  /** One poll will return these records, less what is paused or beyond its limit; none makes an empty poll. */
  give(given: readonly FakeRecord[]): void {
    this.#queue.push([...given]);
    this.#given();
  }

  /** The next poll tells that there is nothing more below `offset`. */
  reachEnd(end: TopicPartitionOffset): void {
    this.#queue.push({ end });
    this.#given();
  }

  failPoll(error: unknown): void {
    this.#queue.push({ error });
    this.#given();
  }

  /** Records given and not fetched yet. */
  get waiting(): number {
    return this.#queue.reduce((sum, each) => sum + (Array.isArray(each) ? each.length : 0), 0);
  }

  async assign(...partitions: readonly TopicPartition[]): Promise<void> {
    await this.listener.onAssign(partitions);
    this.#owned.push(...partitions);
    const started = partitions.map((each) => {
      const offset = this.listener.startOf?.(each);
      return offset === undefined ? each : { ...each, offset };
    });
    this.calls.push({ call: "assigned", partitions: started });
  }

  /**
   * Resolves when the connector has given the partitions up; what was given of them and not fetched goes as well. A pause
   * of them is remembered until they are assigned again, as librdkafka does.
   */
  async revoke(...partitions: readonly TopicPartition[]): Promise<void> {
    await this.listener.onRevoke(partitions);
    const gone = new Set(partitions.map(keyOf));
    this.#owned = this.#owned.filter((each) => !gone.has(keyOf(each)));
    this.#forget(gone);
    this.calls.push({ call: "revoked", partitions });
  }

  #forget(gone: ReadonlySet<string>): void {
    this.#queue = this.#queue.map((each) => (Array.isArray(each) ? each.filter((one) => !gone.has(keyOf(one))) : each));
  }

  /** The group has given them to somebody else already. */
  lose(...partitions: readonly TopicPartition[]): void {
    void this.listener.onLost?.(partitions);
    const gone = new Set(partitions.map(keyOf));
    this.#owned = this.#owned.filter((each) => !gone.has(keyOf(each)));
  }

  async connect(): Promise<void> {
    this.calls.push({ call: "connect" });
    await this.connecting;
  }

  subscribe(subscription: Subscription): void {
    this.calls.push({ call: "subscribe", subscription });
  }

  addPartitions(partitions: readonly TopicPartition[]): void {
    if (this.#polling) this.violations.push("addPartitions during a poll");
    this.calls.push({ call: "addPartitions", partitions });
    const keys = partitions.map(keyOf);
    if (keys.some((key) => this.#added.has(key))) this.violations.push("addPartitions of what is assigned");
    for (const key of keys) this.#added.add(key);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    if (this.#polling) this.violations.push("removePartitions during a poll");
    this.calls.push({ call: "removePartitions", partitions });
    const keys = new Set(partitions.map(keyOf));
    for (const key of keys)
      if (!this.#added.delete(key)) this.violations.push("removePartitions of what is not assigned");
    this.#forget(keys);
  }

  async poll(options: PollOptions): Promise<RecordChunk | undefined> {
    if (this.#polling) this.violations.push("two polls at a time");
    if (this.closed) this.violations.push("poll after close");
    const polling = this.#poll(options);
    this.#polling = polling.catch(() => undefined);
    try {
      return await polling;
    } finally {
      this.#polling = undefined;
    }
  }

  async #poll({ maxRecords, waitMs }: PollOptions): Promise<RecordChunk | undefined> {
    this.calls.push({ call: "poll" });
    for (const commit of this.#unserved.splice(0)) this.onCommit(commit);
    if (!this.#ready()) await this.#wait(Math.min(waitMs, EMPTY_POLL_MS));
    const at = this.#queue.findIndex((each) => !this.#isPaused(each));
    const next = this.#queue[at];
    if (next && "error" in next) {
      this.#queue.splice(at, 1);
      throw next.error;
    }
    if (next && "end" in next) {
      this.#queue.splice(at, 1);
      this.listener.onPartitionEnd?.(next.end);
      return undefined;
    }
    return next && this.#fetch(next, at, maxRecords);
  }

  #fetch(queued: FakeRecord[], at: number, maxRecords: number): RecordChunk | undefined {
    const fetched = queued.filter((one) => !this.paused.has(keyOf(one))).slice(0, maxRecords);
    const left = queued.filter((one) => !fetched.includes(one));
    this.#queue.splice(at, 1, ...(left.length > 0 ? [left] : []));
    return fetched.length > 0 ? new FakeChunk(fetched) : undefined;
  }

  #ready(): boolean {
    return this.#queue.some((each) => !this.#isPaused(each) && (!Array.isArray(each) || each.length > 0));
  }

  /** All its records are, so that those behind it come first. */
  #isPaused(queued: Queued): boolean {
    return Array.isArray(queued) && queued.length > 0 && queued.every((one) => this.paused.has(keyOf(one)));
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#given = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.calls.push({ call: "pause", partitions });
    this.onPause();
    for (const each of partitions) this.paused.add(keyOf(each));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.calls.push({ call: "resume", partitions });
    this.onPause();
    for (const each of partitions) this.paused.delete(keyOf(each));
    this.#given();
  }

  commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    if (this.closed) this.violations.push("commit after close");
    if (this.#commitInFlight) this.violations.push("two commits at a time");
    this.#commitInFlight = true;
    this.calls.push({ call: "commit", positions });
    return new Promise((resolve, reject) => {
      const answer = (f: () => void) => (): void => {
        this.#commitInFlight = false;
        f();
      };
      const commit: FakeCommit = {
        positions,
        acknowledge: answer(() => {
          for (const each of positions) this.#acknowledged.set(keyOf(each), each);
          resolve();
        }),
        fail: (error) => answer(() => reject(error))(),
      };
      this.commits.push(commit);
      this.#unserved.push(commit);
    });
  }

  async seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    if (this.#polling) this.violations.push("seek during a poll");
    this.calls.push({ call: "seek", positions });
    await this.onSeek(positions);
    this.#forget(new Set(positions.map(keyOf)));
  }

  reassign(partitions: readonly TopicPartition[]): void {
    if (this.#polling) this.violations.push("reassign during a poll");
    this.calls.push({ call: "reassign", partitions });
    this.onReassign(partitions);
    this.#forget(new Set(partitions.map(keyOf)));
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.onFetchedWatermarks(partition);
  }

  async offsetsForTimes(times: readonly TopicPartitionTime[]): Promise<readonly TopicPartitionOffset[]> {
    return this.onTimes(times);
  }

  /** What the group is told to have committed, in the place of what was acknowledged. */
  stored: readonly TopicPartitionOffset[] = [];
  readonly #acknowledged = new Map<string, TopicPartitionOffset>();

  async committed(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    const positions = new Map([...this.#acknowledged, ...this.stored.map((each) => [keyOf(each), each] as const)]);
    return partitions.flatMap((each) => positions.get(keyOf(each)) ?? []);
  }

  async watermarks(partition: TopicPartition): Promise<Watermarks> {
    return this.onWatermarks(partition);
  }

  async metadata(topic: string | undefined): Promise<ClusterMetadata> {
    return this.onMetadata(topic);
  }

  /** As a client does, it ends the running poll, has the partitions revoked, and lets no commit wait for its answer. */
  async close(): Promise<void> {
    if (this.calls.some(({ call }) => call === "close")) return;
    this.calls.push({ call: "close", commitInFlight: this.#commitInFlight });
    this.closed = true;
    this.#given();
    await this.#polling;
    if (this.#owned.length > 0) await this.listener.onRevoke(this.#owned);
    if (this.#commitInFlight) this.commits.at(-1)?.fail(new KafkaConnectorError("CONSUMER_CLOSED", "closed"));
    this.onClose();
  }

  /** Arguments of the calls of one kind, in order. */
  of<C extends Call["call"]>(call: C): Extract<Call, { readonly call: C }>[] {
    return this.calls.filter((each): each is Extract<Call, { readonly call: C }> => each.call === call);
  }
}
