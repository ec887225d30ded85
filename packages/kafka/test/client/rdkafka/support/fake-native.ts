import type {
  Build,
  ConsumerFactory,
  NativeConsumer,
  NativeError,
  NativeMessage,
  NativeProducer,
  NativeReport,
  NativeTopicPartition,
  ProducerFactory,
  RebalanceCallback,
} from "../../../../src/client/rdkafka/native.js";

/** What ends disconnects. Those that a test leaves stuck would have this process kill itself when it exits. */
const leftOver: (() => void)[] = [];

after(() => leftOver.forEach((end) => end()));

export interface Consume {
  readonly count: number;
  readonly timeoutMs: number;
  readonly answer: (messages: NativeMessage[]) => void;
  readonly fail: (error: NativeError) => void;
}

type Listener = (...values: unknown[]) => void;

class FakeClient {
  readonly listeners: Map<string, Listener[]> = new Map();
  /** What each call but `consume` and `produce` was given, in order. */
  readonly calls: unknown[][] = [];
  /** Calls that throw what is given here. */
  readonly throws: Map<string, unknown> = new Map();

  on(event: string, listener: never): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  emit(event: string, ...values: unknown[]): void {
    for (const listener of this.listeners.get(event) ?? []) listener(...values);
  }

  /** What `connect` does instead of answering at once. */
  onConnect: ((done: () => void) => void) | undefined;

  connect(_options: unknown, done: (error: null, metadata: object) => void): void {
    const end = (): void => done(null, {});
    if (this.onConnect === undefined) setImmediate(end);
    else this.onConnect(end);
  }

  record(call: string, ...values: unknown[]): void {
    this.calls.push([call, ...values]);
    if (this.throws.has(call)) throw this.throws.get(call);
  }

  /** The names of the calls so far. */
  get named(): string[] {
    return this.calls.map(([name]) => String(name));
  }
}

/** A consumer whose `consume` calls the test answers one by one, or all alike by `onConsume`. */
export class FakeConsumer extends FakeClient {
  rebalance: RebalanceCallback | undefined;
  protocol = "EAGER";
  inFlight = 0;
  mostInFlight = 0;
  readonly consumes: Consume[] = [];
  onConsume: ((consume: Consume) => void) | undefined;
  disconnected = false;
  /** What `disconnect` does instead of answering at once. */
  onDisconnect: ((done: () => void) => void) | undefined;
  build: Build = { name: "some-kafka", features: ["gzip", "snappy", "lz4", "zstd"] };
  /** What `assignments` answers. */
  assigned: readonly NativeTopicPartition[] = [];
  /** Topics that the broker shows; `undefined` answers no question. */
  shown: readonly string[] | undefined = [];
  /** Topics of which something was fetched. */
  fetched: readonly string[] = [];
  #timeoutMs = 1000;

  readonly create: ConsumerFactory = (_client, _topic, rebalance) => {
    this.rebalance = rebalance;
    return this as unknown as NativeConsumer;
  };

  setDefaultConsumeTimeout(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
  }

  consume(count: number, done: (error: NativeError, messages: NativeMessage[]) => void): void {
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    const end = (error: NativeError, messages: NativeMessage[]): void => {
      this.inFlight -= 1;
      done(error, messages);
    };
    const consume: Consume = {
      count,
      timeoutMs: this.#timeoutMs,
      answer: (messages) => end(null, messages),
      fail: (error) => end(error, []),
    };
    this.consumes.push(consume);
    if (this.onConsume !== undefined) setImmediate(this.onConsume, consume);
  }

  rebalanceProtocol(): string {
    return this.protocol;
  }
  assignments(): readonly NativeTopicPartition[] {
    return this.assigned;
  }
  getMetadata(_options: unknown, done: (error: NativeError, metadata: unknown) => void): void {
    const partitions = [{ id: 0, leader: 1, replicas: [1], isrs: [1] }];
    if (this.shown === undefined) done({ code: -185, message: "Local: Timed out" }, undefined);
    else done(null, { brokers: [], topics: this.shown.map((name) => ({ name, partitions })) });
  }
  getWatermarkOffsets(topic: string): { readonly lowOffset: number; readonly highOffset: number } {
    return this.fetched.includes(topic) ? { lowOffset: 0, highOffset: 5 } : { lowOffset: -1001, highOffset: -1001 };
  }
  subscribe(topics: unknown): void {
    this.record("subscribe", topics);
  }
  unsubscribe(): void {
    this.record("unsubscribe");
  }
  assign(partitions: readonly NativeTopicPartition[]): void {
    this.record("assign", partitions);
  }
  unassign(): void {
    this.record("unassign");
  }
  incrementalAssign(partitions: readonly NativeTopicPartition[]): void {
    this.record("incrementalAssign", partitions);
  }
  incrementalUnassign(partitions: readonly NativeTopicPartition[]): void {
    this.record("incrementalUnassign", partitions);
  }
  pause(partitions: unknown): void {
    this.record("pause", partitions);
  }
  resume(partitions: unknown): void {
    this.record("resume", partitions);
  }
  commit(positions: unknown): void {
    this.record("commit", positions);
  }
  queryWatermarkOffsets(_topic: string, _partition: number, _timeoutMs: number, done: unknown): void {
    this.record("queryWatermarkOffsets", done);
  }
  committed(_partitions: unknown, _timeoutMs: number, done: (error: NativeError, answers: unknown[]) => void): void {
    this.record("committed", done);
  }

  disconnect(done: () => void): void {
    this.record("disconnect");
    const end = (): void => {
      this.disconnected = true;
      done();
    };
    leftOver.push(end);
    if (this.onDisconnect === undefined) setImmediate(end);
    else this.onDisconnect(end);
  }
}

export interface Produced {
  readonly id: number;
  readonly value: Buffer | null;
  readonly key: Buffer | null;
  readonly partition: number | null;
}

type TransactionDone = (error: NativeError | undefined) => void;

/** A producer with a queue of `capacity`; the test reports what it likes. */
export class FakeProducer extends FakeClient {
  capacity = Number.POSITIVE_INFINITY;
  polls = 0;
  readonly produced: Produced[] = [];
  /** Called by each poll, as librdkafka's thread would add reports. */
  onPoll: (() => void) | undefined;
  onDisconnect: ((done: () => void) => void) | undefined;
  disconnected = false;
  /** What every transactional call fails with. */
  transactionError: NativeError | undefined;
  /** What such a call does instead of answering at once. */
  onTransaction: ((done: () => void) => void) | undefined;

  readonly create: ProducerFactory = () => this as unknown as NativeProducer;

  produce(
    _topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    _time: unknown,
    id: number,
  ): void {
    this.record("produce");
    if (this.produced.length >= this.capacity) throw Object.assign(new Error("Local: Queue full"), { code: -184 });
    this.produced.push({ id, value, key, partition });
  }

  poll(): void {
    this.polls += 1;
    this.onPoll?.();
  }

  initTransactions(timeoutMs: number, done: TransactionDone): void {
    this.#transact(done, "initTransactions", timeoutMs);
  }
  beginTransaction(done: TransactionDone): void {
    this.#transact(done, "beginTransaction");
  }
  sendOffsetsToTransaction(offsets: unknown, consumer: unknown, timeoutMs: number, done: TransactionDone): void {
    this.#transact(done, "sendOffsetsToTransaction", offsets, consumer, timeoutMs);
  }
  commitTransaction(timeoutMs: number, done: TransactionDone): void {
    this.#transact(done, "commitTransaction", timeoutMs);
  }
  abortTransaction(timeoutMs: number, done: TransactionDone): void {
    this.#transact(done, "abortTransaction", timeoutMs);
  }

  #transact(done: TransactionDone, call: string, ...values: unknown[]): void {
    this.record(call, ...values);
    const end = (): void => done(this.transactionError);
    if (this.onTransaction === undefined) setImmediate(end);
    else this.onTransaction(end);
  }

  report(report: Partial<NativeReport> & { readonly opaque: number }, error: NativeError | null = null): void {
    this.emit("delivery-report", error, { topic: "t", partition: 0, offset: 0, ...report });
  }

  disconnect(_flushMs: number, done: () => void): void {
    this.record("disconnect");
    const end = (): void => {
      this.disconnected = true;
      done();
    };
    leftOver.push(end);
    if (this.onDisconnect === undefined) setImmediate(end);
    else this.onDisconnect(end);
  }
}
