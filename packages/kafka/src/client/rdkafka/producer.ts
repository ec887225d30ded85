import { KafkaConnectorError } from "../../errors/errors.js";
import type {
  ClientProperties,
  OutgoingRecord,
  ProducerClient,
  ProducerListener,
  ProducerTransactions,
} from "../port.js";
import { brokersOf, CLIENT_TIMEOUTS, type ClientTimeouts, connectClient, connects, within } from "./client-life.js";
import { producerProperties } from "./default-properties.js";
import { codecRemedy } from "./codecs.js";
import { codeOf, connectorError, producerError } from "./error-codes.js";
import { toNativeHeaders } from "./headers.js";
import { checkRecord } from "../invalid-record.js";
import { produceError } from "./produce-error.js";
import { BrokerWatch, LOOK_MS, patienceOf } from "./broker-watch.js";
import { NativeCalls, startCall } from "./native-calls.js";
import { createNativeProducer, type NativeProducer, type ProducerFactory } from "./native.js";
import { ReportColumns } from "./report-columns.js";
import { splitProperties } from "./split-properties.js";
import { isStuckUntil } from "./stuck-clients.js";
import { RdkafkaTransactions } from "./transactions.js";
import { CODE } from "../codes.js";

/** Between polls while reports are outstanding and none arrives; linger and the broker take longer than this. */
const IDLE_POLL_MS = 1;

/**
 * librdkafka's default partitioner takes an empty key for none, and spreads what belongs together over the partitions; its
 * others do not. The hash, CRC-32, of no bytes is 0.
 */
const CRC32 = "consistent_random";

/**
 * A producer over `produce` and `dr_cb`, which counts its reports: neither `flush` nor `disconnect` of node-rdkafka waits
 * until they have reached JavaScript.
 *
 * Reports arrive in bursts of up to 100 in the event loop's poll phase; `#tick` runs in the check phase after it, hands
 * them over in columns and polls again. Without arrivals it waits on a timer, and with nothing outstanding not at all,
 * so an idle producer costs nothing and holds no process open; errors of an unused connection show at the next record.
 *
 * Long: it is the whole of the port, and its counts hang together.
 */
export class RdkafkaProducer implements ProducerClient {
  readonly #native: NativeProducer;
  readonly #listener: ProducerListener;
  readonly #timeouts: ClientTimeouts;
  readonly #brokers: string;
  readonly transactions?: ProducerTransactions;
  readonly #calls: NativeCalls = new NativeCalls();
  readonly #watch: BrokerWatch;
  /** Where a record with an empty key goes; `null` leaves it to librdkafka. */
  readonly #ofEmptyKey: number | null;
  /** What the client reported before it gave up. */
  #ended: KafkaConnectorError | undefined;
  #connecting: Promise<void> | undefined;
  /** Takes records: from connected until `close`. */
  #open = false;
  /** May poll: from connected until disconnecting. */
  #polls = false;
  #drop = false;
  #closing: Promise<void> | undefined;
  #outstanding = 0;
  #arrived: ReportColumns = new ReportColumns();
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #statisticsMs: number;
  #statistics: NodeJS.Timeout | undefined;
  #drained: (() => void)[] = [];

  constructor(
    properties: ClientProperties,
    listener: ProducerListener,
    timeouts: ClientTimeouts = CLIENT_TIMEOUTS,
    create: ProducerFactory = createNativeProducer,
  ) {
    const { client, topic } = splitProperties(producerProperties(properties));
    this.#listener = listener;
    this.#timeouts = timeouts;
    this.#brokers = brokersOf(properties);
    this.#ofEmptyKey = (topic["partitioner"] ?? CRC32) === CRC32 ? 0 : null;
    try {
      this.#native = create(client, topic);
    } catch (error) {
      throw connectorError(
        "INVALID_SETTINGS",
        "librdkafka refuses these producer properties",
        error,
        codecRemedy(error) ?? "Correct or remove the property.",
      );
    }
    if (properties["transactional.id"] !== undefined) this.transactions = this.#transactions();
    this.#native.on("event.error", (error) => {
      const failure = producerError(error);
      if (failure.fatal) this.#ended ??= failure;
      if (this.#polls) this.#watch.onError(failure);
      listener.onError(failure);
    });
    this.#watch = new BrokerWatch({
      reaches: () => this.#reaches(),
      wouldReach: () => connects(() => create(client, topic), "producer", LOOK_MS),
      onAbandoned: (error) => listener.onError(error),
      patienceMs: patienceOf(properties),
    });
    this.#native.on("event.stats", ({ message }) => listener.onStatistics?.(message));
    this.#statisticsMs = Number(properties["statistics.interval.ms"] ?? 0);
    this.#native.on("delivery-report", (error, report) => {
      this.#arrived.push(error, report);
      if (this.#arrived.length === 1) this.#pollSoon();
    });
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  connect(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    this.#connecting ??= connectClient(this.#native, "producer", this.#brokers, this.#timeouts.connectMs, {
      onLate: () => void this.#native.disconnect(0, () => undefined),
      onTrouble: (error) => this.#listener.onError(error),
    }).then(() => {
      this.#polls = true;
      // Also while nothing is sent; otherwise they would pile up.
      if (this.#statisticsMs > 0) {
        this.#statistics = setInterval(() => this.#pollSoon(), this.#statisticsMs).unref();
      }
      this.#open = this.#closing === undefined;
    });
    return this.#connecting;
  }

  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number {
    if (!this.#open) throw this.#notOpenError();
    let index = from;
    try {
      for (; index < records.length; index++) {
        const record = records[index] as OutgoingRecord;
        checkRecord(record);
        this.#native.produce(
          record.topic,
          record.partition ?? (record.key?.length === 0 ? this.#ofEmptyKey : null),
          intact(record.value),
          intact(record.key),
          record.timestamp ?? null,
          firstId + index,
          record.headers?.length
            ? toNativeHeaders(record.topic, record.headers, this.#native.takesBytesInHeaders)
            : undefined,
        );
      }
    } catch (error) {
      // What was queued before a bad record is reported by the count; the bad one throws when it comes first.
      if (index === from && codeOf(error) !== CODE.queueFull) {
        const failure = this.#ended ?? produceError((records[index] as OutgoingRecord).topic, error);
        if (this.#ended !== undefined || failure.clientCode !== CODE.fatal) throw failure;
        this.#learnEnd(failure, performance.now() + this.#timeouts.graceMs);
      }
    } finally {
      this.#outstanding += index - from;
      if (this.#outstanding > 0) this.#pollLater();
    }
    return index - from;
  }

  async flush(timeoutMs: number): Promise<void> {
    await this.#drain(timeoutMs);
    if (this.#outstanding > 0) {
      throw new KafkaConnectorError(
        "FLUSH_TIMEOUT",
        `${this.#outstanding} records were not reported within ${timeoutMs} ms. Flush again, or close with \`drop: true\`.`,
        { retriable: true },
      );
    }
  }

  close(options: { readonly drop?: boolean } = {}): Promise<void> {
    this.#open = false;
    this.#watch.stop();
    this.#drop ||= options.drop === true;
    if (this.#drop) this.#resumeDrained();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#connecting?.catch(() => undefined);
    if (!this.#polls) return;
    const deadline = performance.now() + this.#timeouts.closeMs;
    await this.#drain(this.#timeouts.closeMs);
    const idle = await this.#calls.settled(deadline);
    // 1. Disconnecting frees the client off the main thread; 2. a poll then would read freed memory; 3. so polls end here.
    this.#polls = false;
    clearInterval(this.#statistics);
    this.#disarm();
    this.#handOver();
    const lost = this.#outstanding;
    if (!idle) {
      void this.#calls.ended().then(() => this.#native.disconnect(0, () => undefined));
      throw new KafkaConnectorError(
        "CLOSE_TIMEOUT",
        "A call of the producer's transaction has not ended, so it is still open, and closes when the call ends. Check that the brokers are up.",
        { fatal: true },
      );
    }
    const left = new Promise<true>((resolve) => this.#native.disconnect(0, () => resolve(true)));
    if ((await within(left, performance.now() + this.#timeouts.graceMs)) === undefined) {
      isStuckUntil(left);
      throw new KafkaConnectorError(
        "CLOSE_TIMEOUT",
        `The producer did not disconnect within ${this.#timeouts.graceMs} ms and may still be open. Do not wait for it.`,
        { fatal: true },
      );
    }
    if (lost === 0 || this.#drop) return;
    throw new KafkaConnectorError(
      "FLUSH_TIMEOUT",
      `The producer closed after ${this.#timeouts.closeMs} ms with ${lost} records unreported: they may or may not have been ` +
        "delivered. Flush before closing, and check that the brokers are reachable.",
    );
  }

  /** It has ended while nothing was polled, so what ended it is still to come; where nothing comes, `failure` has to do. */
  #learnEnd(failure: KafkaConnectorError, deadline: number): void {
    if (!this.#polls || this.#ended !== undefined) return;
    if (performance.now() >= deadline) {
      this.#ended = failure;
      this.#listener.onError(failure);
      return;
    }
    this.#native.poll();
    setTimeout(() => this.#learnEnd(failure, deadline), IDLE_POLL_MS);
  }

  #reaches(): Promise<boolean> {
    const failed = (): KafkaConnectorError => this.#notOpenError();
    const asking = startCall<unknown>({ timeoutMs: LOOK_MS, failed, late: failed }, (done) =>
      this.#native.getMetadata({ allTopics: false, timeout: LOOK_MS }, done),
    );
    return this.#calls.track(asking).then(
      () => true,
      () => false,
    );
  }

  #transactions(): RdkafkaTransactions {
    // A getter, because records come and go.
    const outstanding = (): number => this.#outstanding;
    return new RdkafkaTransactions({
      native: this.#native,
      get outstanding() {
        return outstanding();
      },
      requireOpen: () => {
        if (!this.#open) throw this.#notOpenError();
      },
      drain: (timeoutMs) => this.#drain(timeoutMs),
      track: (call) => this.#calls.track(call),
    });
  }

  #tick(): void {
    this.#disarm();
    const busy = this.#arrived.length > 0;
    this.#native.poll();
    try {
      if (busy) this.#handOver();
    } finally {
      if (this.#outstanding > 0 && busy) this.#pollSoon();
      else if (this.#outstanding > 0) this.#pollLater();
    }
  }

  #handOver(): void {
    const reports = this.#arrived;
    if (reports.length === 0) return;
    if (this.#ended !== undefined) reports.endedBy(this.#ended);
    this.#arrived = new ReportColumns();
    this.#outstanding -= reports.length;
    if (this.#outstanding === 0) this.#resumeDrained();
    this.#listener.onReports(reports);
  }

  #pollSoon(): void {
    if (!this.#polls || this.#immediate !== undefined) return;
    this.#disarm();
    this.#immediate = setImmediate(() => this.#tick());
  }

  #pollLater(): void {
    if (!this.#polls || this.#immediate !== undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tick(), IDLE_POLL_MS);
  }

  #disarm(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }

  async #drain(timeoutMs: number): Promise<void> {
    if (this.#outstanding === 0 || this.#drop) return;
    await within(new Promise<void>((resolve) => this.#drained.push(resolve)), performance.now() + timeoutMs);
  }

  #resumeDrained(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resume of waiting) resume();
  }

  #notOpenError(): KafkaConnectorError {
    return this.#closing === undefined
      ? new KafkaConnectorError("PRODUCE_FAILED", "The producer is not connected. Await connect() first.")
      : closedError();
  }
}

function closedError(): KafkaConnectorError {
  return new KafkaConnectorError("PRODUCER_CLOSED", "The producer is closed. Make a new one.");
}

/** node-rdkafka takes a Buffer without memory, as `Buffer.from("")` is, for null: the value would become a tombstone. */
const EMPTY: Buffer = Buffer.alloc(1).subarray(0, 0);

function intact(bytes: Buffer | null): Buffer | null {
  return bytes?.length === 0 ? EMPTY : bytes;
}
