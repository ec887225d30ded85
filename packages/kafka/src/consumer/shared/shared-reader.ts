import type {
  ConsumerClient,
  ConsumerListener,
  RecordChunk,
  StartingPartition,
  TopicPartition,
  TopicPartitionOffset,
} from "../../client/port.js";
import { isFatal, KafkaConnectorError } from "../../errors/errors.js";
import { partitionKey, partitionName, partitionOf } from "../../client/partition-key.js";
import { FetchedChunk } from "../partitions/fetched-chunk.js";
import { LARGEST_BY_DEFAULT, RecordSizes } from "../../client/record-sizes.js";
import { ConsumerView, type ViewHost } from "./consumer-view.js";
import { ViewBuffer } from "./view-buffer.js";

/** What is counted over all clients of a shared consumer. */
export interface SharedCounts {
  polls: number;
  commits: number;
}

export interface SharedReaderOptions {
  readonly open: (listener: ConsumerListener) => ConsumerClient;
  /** Records of one read, at most. */
  readonly maxPollRecords: number;
  /** Of one partition that wait for their source, before the partition is paused. */
  readonly maxBufferedRecords: number;
  /** Of all partitions, read and not delivered by the sources; each has an equal share. */
  readonly maxBufferedBytes: number;
  readonly counts: SharedCounts;
  /** An error of the client that does not end it. */
  readonly onWarning: (error: Error) => void;
  /** It is of no further use; what follows needs another client. */
  readonly onEnd: (client: ConsumerClient) => void;
}

const names = (partitions: readonly TopicPartition[]): string => partitions.map(partitionName).join(", ");

/**
 * One client with several users, each with a view that looks like a client of its own. It has no loop: a view that
 * polls and has nothing waiting makes it read, for all of them, and what others are given waits in their views. So it
 * reads while anybody polls, and a view that takes nothing costs the others nothing once its partitions are paused.
 *
 * Reads, seeks and changes of the assignment come one after the other, because the port allows none of them while
 * another runs; so do commits, of which it allows one at a time.
 *
 * Long: all that goes through one client is put in order here.
 */
export class SharedReader implements ViewHost {
  readonly client: ConsumerClient;
  readonly #options: SharedReaderOptions;
  readonly #views = new Set<ConsumerView>();
  readonly #owners = new Map<string, ConsumerView>();
  readonly #sizes = new RecordSizes(LARGEST_BY_DEFAULT);
  /** What has to be done alone. */
  #last: Promise<unknown> = Promise.resolve();
  #lastCommit: Promise<unknown> = Promise.resolve();
  /** Commits that wait for their answer, which only a read brings. */
  #committing = 0;
  #read: Promise<void> | undefined;
  /** A view waits for records, for `#waitMs` at most. */
  #wanted = false;
  #waitMs = Number.POSITIVE_INFINITY;
  #ends: TopicPartitionOffset[] = [];
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #end: { readonly error: Error } | undefined;

  constructor(options: SharedReaderOptions) {
    this.#options = options;
    this.client = options.open({
      onAssign: () => undefined,
      onRevoke: () => undefined,
      onError: (error) => {
        if (isFatal(error)) this.#fail(error);
        else options.onWarning(error);
      },
      onPartitionEnd: (end) => this.#ends.push(end),
      onTopicRemade: (topic) => {
        for (const view of this.#views) view.onTopicRemade(topic);
      },
      onStatistics: (json) => {
        for (const view of this.#views) view.onStatistics(json);
      },
    });
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  get users(): number {
    return this.#views.size;
  }

  get buffered(): number {
    let buffered = 0;
    for (const view of this.#views) buffered += view.buffer.buffered;
    return buffered;
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (const view of this.#views) bytes += view.buffer.bufferedBytes;
    return bytes;
  }

  /** Of each partition. */
  get #byteShare(): number {
    return this.#options.maxBufferedBytes / Math.max(1, this.#owners.size);
  }

  get assignment(): readonly TopicPartition[] {
    return [...this.#views].flatMap((view) => view.buffer.reading);
  }

  view(listener: ConsumerListener): ConsumerView {
    // A quarter is left for the next read, which may be for this partition alone.
    const byteLimit = (): number =>
      Math.max(1, Math.min((3 / 4) * this.#byteShare, this.#byteShare - this.#sizes.mean));
    const buffer = new ViewBuffer(this.#options.maxBufferedRecords, byteLimit);
    const view = new ConsumerView(this, listener, buffer);
    this.#views.add(view);
    return view;
  }

  connect(): Promise<void> {
    if (this.#end) return Promise.reject(this.#end.error);
    this.#connecting ??= this.client.connect().catch((error: unknown) => {
      // Every view waits for this promise, so none has to be notified as well.
      this.#over(error as Error);
      throw error;
    });
    return this.#connecting;
  }

  /** Begins to read partitions for this view; throws `ALREADY_ASSIGNED` where another one reads some of them. */
  take(view: ConsumerView, partitions: readonly StartingPartition[]): void {
    const taken = partitions.filter((each) => this.#owners.has(partitionKey(each)));
    if (taken.length > 0) {
      throw new KafkaConnectorError(
        "ALREADY_ASSIGNED",
        `Another source of this shared consumer reads ${names(taken)}. Assign each partition to one source, or start this one again when the other has been shut down.`,
        { retriable: true },
      );
    }
    const plain = partitions.map(partitionOf);
    for (const each of plain) this.#owners.set(partitionKey(each), view);
    view.buffer.open(plain);
    this.#alone(() => {
      this.client.addPartitions(partitions);
      view.buffer.begin(plain);
      this.steer(view);
    }).catch((error: unknown) => view.fail(error));
  }

  /** Reads these partitions of the view no more. */
  async giveUp(view: ConsumerView, partitions: readonly TopicPartition[]): Promise<void> {
    try {
      await this.#alone(() => {
        if (this.#end) return;
        // A client may remember a pause until it is assigned them again.
        this.client.resume(view.buffer.stopped(partitions));
        this.client.removePartitions(partitions);
      });
    } finally {
      view.buffer.close(partitions);
      for (const each of partitions) this.#owners.delete(partitionKey(each));
    }
  }

  async leave(view: ConsumerView): Promise<void> {
    try {
      const { partitions } = view.buffer;
      if (partitions.length > 0) await this.giveUp(view, partitions);
    } finally {
      this.#views.delete(view);
    }
  }

  read(waitMs: number): Promise<void> {
    this.#wanted = true;
    this.#waitMs = Math.min(this.#waitMs, waitMs);
    return this.#reading();
  }

  serve(): void {
    if (this.#committing > 0 && !this.#end) this.#reading().catch(() => undefined);
  }

  #reading(): Promise<void> {
    this.#read ??= this.#alone(() => this.#poll()).finally(() => {
      this.#read = undefined;
    });
    return this.#read;
  }

  async #poll(): Promise<void> {
    if (this.#end) throw this.#end.error;
    const maxRecords = this.#wanted ? Math.min(this.#options.maxPollRecords, this.#fitting()) : 1;
    const waitMs = this.#wanted ? this.#waitMs : 0;
    this.#wanted = false;
    this.#waitMs = Number.POSITIVE_INFINITY;
    try {
      const chunk = await this.client.poll({ maxRecords, waitMs });
      this.#options.counts.polls += 1;
      if (chunk) {
        this.#sizes.sawChunk(chunk);
        this.#route(chunk);
      }
      for (const end of this.#ends.splice(0)) this.#owners.get(partitionKey(end))?.buffer.reachEnd(end);
    } catch (error) {
      this.#onPollFailed(error);
      throw error;
    }
  }

  /** One read may be for one partition alone, whichever is read: so it has what the fullest of them has room for. */
  #fitting(): number {
    let most = 0;
    for (const view of this.#views) most = Math.max(most, view.buffer.mostBytes);
    return this.#sizes.fitting(this.#byteShare - most);
  }

  /** A retriable failure is left to those who wait. Any other may concern any partition, so it reaches every view. */
  #onPollFailed(error: unknown): void {
    if (error instanceof KafkaConnectorError && error.retriable) return;
    for (const view of this.#views) view.fail(error);
    if (isFatal(error)) this.#fail(error as Error);
  }

  #route(chunk: RecordChunk): void {
    const wanted = chunk.runs().flatMap((run) => {
      const view = this.#owners.get(partitionKey(run));
      return view ? [{ view, run }] : [];
    });
    const fetched = new FetchedChunk(chunk, wanted.length);
    for (const { view, run } of wanted) view.buffer.add({ ...run, fetched });
    for (const view of new Set(wanted.map(({ view: owner }) => owner))) this.steer(view);
  }

  steer(view: ConsumerView): void {
    const { pause, resume } = view.buffer.steps();
    if (this.#end) return;
    if (pause.length > 0) this.client.pause(pause);
    if (resume.length > 0) this.client.resume(resume);
  }

  seek(view: ConsumerView, positions: readonly TopicPartitionOffset[], timeoutMs: number): Promise<void> {
    return this.#alone(async () => {
      if (this.#end) throw this.#end.error;
      view.buffer.drop(positions);
      this.steer(view);
      await this.client.seek(positions, timeoutMs);
    });
  }

  reassign(view: ConsumerView, partitions: readonly StartingPartition[]): void {
    const plain = partitions.map(partitionOf);
    // What the running read brings of them is old.
    view.buffer.renew(plain);
    this.#alone(() => {
      if (this.#end) return;
      this.client.removePartitions(plain);
      this.client.addPartitions(partitions);
      view.buffer.begin(plain);
      this.steer(view);
    }).catch((error: unknown) => view.fail(error));
  }

  commit(view: ConsumerView, positions: readonly TopicPartitionOffset[]): Promise<void> {
    this.#committing += 1;
    const committing = this.#lastCommit
      .then(async () => {
        if (this.#end) throw this.#end.error;
        if (view.isClosed) {
          throw new KafkaConnectorError("CONSUMER_CLOSED", "The source was shut down before its commit was sent.");
        }
        await this.client.commit(positions);
        this.#options.counts.commits += 1;
      })
      .finally(() => {
        this.#committing -= 1;
      });
    this.#lastCommit = committing.catch(() => undefined);
    return committing;
  }

  /** Closes the client; views that are still open fail. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#end) return;
    const closed = new KafkaConnectorError("CONSUMER_CLOSED", "The shared consumer was closed by its owner.", {
      fatal: true,
    });
    this.#end = { error: closed };
    this.#endViews(closed);
    await this.client.close();
  }

  #alone<T>(work: () => Promise<T> | T): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #fail(error: Error): void {
    if (this.#end) return;
    this.#over(error);
    this.#endViews(error);
  }

  #over(error: Error): void {
    this.#end ??= { error };
    this.#options.onEnd(this.client);
  }

  #endViews(error: Error): void {
    for (const view of this.#views) view.onEnd(error);
  }
}
