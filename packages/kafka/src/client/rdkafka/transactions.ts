import { KafkaConnectorError } from "../../errors/errors.js";
import type { ConsumerClient, ProducerTransactions, TopicPartitionOffset } from "../port.js";
import { connectorError } from "./error-codes.js";
import { RdkafkaConsumer } from "./consumer.js";
import type { NativeError, NativeProducer } from "./native.js";
import { LOCAL_CALL_MS, type NativeCall, startCall } from "./native-calls.js";
import { CODE, TIMED_OUT } from "../codes.js";

/** What transactions need of their producer. */
export interface TransactionsOwner {
  readonly native: NativeProducer;
  readonly outstanding: number;
  /** Throws where the producer is not connected, or closes. */
  requireOpen(): void;
  /** Waits until every record is reported, or the time is over. */
  drain(timeoutMs: number): Promise<void>;
  /** A native call that runs: closing waits for it. */
  track(call: NativeCall<void>): Promise<void>;
}

const FENCED: ReadonlySet<number | undefined> = new Set([CODE.fenced, CODE.invalidProducerEpoch, CODE.producerFenced]);

type TransactionCall = (done: (error: NativeError | null | undefined) => void) => void;

/** The transactions of a node-rdkafka producer; each call blocks one of libuv's threads until it is answered. */
export class RdkafkaTransactions implements ProducerTransactions {
  readonly #owner: TransactionsOwner;

  constructor(owner: TransactionsOwner) {
    this.#owner = owner;
  }

  init(timeoutMs: number): Promise<void> {
    return this.#call("be initialised", timeoutMs, (done) => this.#owner.native.initTransactions(timeoutMs, done));
  }

  begin(): Promise<void> {
    return this.#call("begin", LOCAL_CALL_MS, (done) => this.#owner.native.beginTransaction(done));
  }

  async sendOffsets(
    positions: readonly TopicPartitionOffset[],
    consumer: ConsumerClient,
    timeoutMs: number,
  ): Promise<void> {
    if (!(consumer instanceof RdkafkaConsumer)) {
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        "The consumer is of another driver than the producer. Make both with the same one.",
      );
    }
    if (positions.length === 0) return;
    await consumer.lend("send offsets to a transaction", (native) => {
      const sending = this.#start("take offsets", timeoutMs, (done) =>
        this.#owner.native.sendOffsetsToTransaction(positions, native, timeoutMs, done),
      );
      void this.#owner.track(sending);
      return sending;
    });
  }

  async commit(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    // librdkafka waits for the reports as well, but holds one of libuv's threads meanwhile.
    await this.#owner.drain(timeoutMs);
    if (this.#owner.outstanding > 0) {
      throw new KafkaConnectorError(
        "TRANSACTION_FAILED",
        `${this.#owner.outstanding} records were not reported within ${timeoutMs} ms. Commit again, or abort.`,
        TIMED_OUT,
      );
    }
    // At least 1: a timeout of 0 would give up before the request is sent.
    const left = Math.max(1, Math.ceil(deadline - performance.now()));
    await this.#call("be committed", left, (done) => this.#owner.native.commitTransaction(left, done));
  }

  abort(timeoutMs: number): Promise<void> {
    return this.#call("be aborted", timeoutMs, (done) => this.#owner.native.abortTransaction(timeoutMs, done));
  }

  #call(what: string, timeoutMs: number, call: TransactionCall): Promise<void> {
    return this.#owner.track(this.#start(what, timeoutMs, call));
  }

  #start(what: string, timeoutMs: number, call: TransactionCall): NativeCall<void> {
    const options = {
      timeoutMs,
      failed: (error: NativeError) => transactionError(what, error),
      late: () =>
        new KafkaConnectorError(
          "TRANSACTION_FAILED",
          `The transaction could not ${what}: the client has not answered within ${timeoutMs} ms. Check that the brokers are up, and make the same call again.`,
          TIMED_OUT,
        ),
    };
    return startCall<void>(options, (done) => {
      this.#owner.requireOpen();
      call(done);
    });
  }
}

function transactionError(what: string, error: NativeError): KafkaConnectorError {
  const { isTxnRequiresAbort } = error as { readonly isTxnRequiresAbort?: boolean };
  const failed = connectorError("TRANSACTION_FAILED", `The transaction could not ${what}`, error);
  if (failed.fatal && FENCED.has(failed.clientCode)) {
    return connectorError("PRODUCER_FENCED", `The transaction could not ${what}`, error);
  }
  if (isTxnRequiresAbort !== true) return failed;
  return connectorError(
    "TRANSACTION_ABORTABLE",
    `The transaction could not ${what}`,
    error,
    "Abort it and begin another.",
  );
}
