import {
  type ConsumerClient,
  KafkaConnectorError,
  type ProducerTransactions,
  type TopicPartitionOffset,
} from "@millrace/kafka";
import { SimulatedConsumer } from "./consumer.js";
import type { PartitionLog } from "../broker/log.js";
import { CODE, type Simulation } from "../simulation.js";
import { BUSY, type Outcome, type ProducerIdentity, type TransactionCoordinator } from "../broker/transactions.js";

export interface TransactionsOptions {
  readonly simulation: Simulation;
  readonly coordinator: TransactionCoordinator;
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** Waits until every record is reported, or the time is over; answers whether it is. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
  /** Drops what is queued. */
  readonly purge: () => void;
  /** Throws where the producer is not connected, or closes. */
  readonly requireOpen: () => void;
  readonly onFatal: (error: Error) => void;
}

type State = "new" | "ready" | "open" | "abortable" | "fatal";

type Done = (apply: () => void) => void;

/** How long to wait before asking again while the transaction before is still being ended. */
const BUSY_MS = 20;

/**
 * The transactions of a simulated producer.
 *
 *     new ──init──► ready ──begin──► open ──commit, abort──► ready
 *                                     └── a record or its offsets failed ──► abortable ──abort──► ready
 *     any ──another producer came──► fatal
 */
export class SimulatedTransactions implements ProducerTransactions {
  readonly #options: TransactionsOptions;
  readonly #simulation: Simulation;
  readonly #broker: number;
  #state: State = "new";
  #identity: ProducerIdentity | undefined;
  /** Why it is abortable, or unusable. */
  #reason: KafkaConnectorError | undefined;
  #running: { readonly name: string; readonly ended: Promise<unknown> } | undefined;
  /** Counts transactions: what is under way for one never reaches the next. */
  #transaction = 0;
  /** The broker knows of the transaction, as something was sent for it. */
  #touched = false;
  /** A call whose outcome is not known: only the same one is allowed. */
  #unknown: string | undefined;
  #dead = false;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#simulation = options.simulation;
    this.#broker = options.simulation.coordinatorOf(options.transactionalId);
  }

  init(timeoutMs: number): Promise<void> {
    return this.#exclusive("init", ["new"], async () => {
      const { coordinator, transactionalId, timeoutMs: openMs } = this.#options;
      await this.#ask("init", timeoutMs, (done) => {
        coordinator.init(transactionalId, openMs, (identity) =>
          done(() => {
            this.#identity = identity;
            this.#state = "ready";
          }),
        );
      });
    });
  }

  begin(): Promise<void> {
    return this.#exclusive("begin", ["ready"], async () => {
      this.#state = "open";
      this.#transaction += 1;
      this.#touched = false;
    });
  }

  sendOffsets(positions: readonly TopicPartitionOffset[], consumer: ConsumerClient, timeoutMs: number): Promise<void> {
    return this.#exclusive("sendOffsets", ["open"], async () => {
      if (!(consumer instanceof SimulatedConsumer)) {
        throw this.#simulation.error(
          "INVALID_SETTINGS",
          "The consumer is of another driver than the producer. Make both with the same one.",
        );
      }
      if (positions.length === 0) return;
      const { group, membership } = consumer.identity;
      const transaction = this.#transaction;
      const hold = (done: Done): void => {
        if (transaction !== this.#transaction || this.#dead) return;
        const refusal = this.#fails()
          ? CODE.groupAuthorization
          : this.#options.coordinator.hold(this.#identity as ProducerIdentity, group, { membership, positions });
        if (refusal === BUSY) this.#simulation.request([BUSY_MS, BUSY_MS], () => hold(done), group.broker);
        else done(() => this.#refused("The offsets were refused", refusal));
      };
      this.#touched = true;
      await this.#ask("sendOffsets", timeoutMs, hold);
    });
  }

  commit(timeoutMs: number): Promise<void> {
    return this.#exclusive("commit", ["open"], () => this.#end("commit", timeoutMs));
  }

  abort(timeoutMs: number): Promise<void> {
    return this.#exclusive("abort", ["open", "abortable"], () => {
      this.#options.purge();
      return this.#end("abort", timeoutMs);
    });
  }

  /** Waits for the call under way. */
  async settled(): Promise<void> {
    if (!this.#dead) await this.#running?.ended;
  }

  /** Throws unless records may be produced. */
  requireOpen(): void {
    if (this.#state === "open") return;
    if (this.#reason) throw this.#reason;
    throw this.#simulation.error("PRODUCE_FAILED", "No transaction is open. Await begin() first.", CODE.state);
  }

  write(log: PartitionLog, records: Parameters<PartitionLog["append"]>[0]): number | "busy" | "fenced" {
    this.#touched = true;
    return this.#options.coordinator.write(this.#identity as ProducerIdentity, log, records);
  }

  /** A record was not delivered, so the transaction cannot be committed. */
  onFailed(error: Error): void {
    if (error instanceof KafkaConnectorError && error.clientCode === CODE.oldProducerEpoch) this.#fence();
    else if (this.#state === "open") this.#abortable(`A record was not delivered: ${error.message}`, undefined);
  }

  /** The process is gone: no call is answered any more. */
  kill(): void {
    this.#dead = true;
  }

  async #end(outcome: Outcome, timeoutMs: number): Promise<void> {
    const deadline = this.#simulation.clock.now() + timeoutMs;
    if (!(await this.#options.drain(timeoutMs))) {
      throw this.#failed(`Records were not reported within ${timeoutMs} ms. Call ${outcome} again.`, CODE.timedOut);
    }
    if (outcome === "commit" && this.#state !== "open") throw this.#reason;
    const ended = (): void => {
      this.#state = "ready";
      this.#reason = undefined;
    };
    if (!this.#touched) return ended();
    await this.#ask(outcome, deadline - this.#simulation.clock.now(), (done) => {
      const refusal =
        outcome === "commit" && this.#fails()
          ? CODE.unknownProducer
          : this.#options.coordinator.end(this.#identity as ProducerIdentity, outcome);
      done(() => {
        this.#refused(`The ${outcome} was refused`, refusal);
        ended();
      });
    });
  }

  #fails(): boolean {
    return this.#simulation.random.happens(this.#simulation.faults.transactionErrorRate);
  }

  /** Sends a request, whose answer `done` brings back, and waits `timeoutMs` for it. */
  #ask(name: string, timeoutMs: number, request: (done: Done) => void): Promise<void> {
    const { random, faults } = this.#simulation;
    const unanswered = random.happens(faults.transactionTimeoutRate);
    // Of the calls that are not answered, half never arrive.
    const arrives = !unanswered || random.happens(0.5);
    return new Promise<void>((resolve, reject) => {
      let late = false;
      const timer = this.#simulation.schedule(timeoutMs, () => {
        late = true;
        if (this.#dead) return;
        // Offsets sent twice are as good as once, and an abort forgets them.
        if (name !== "sendOffsets") this.#unknown = name;
        reject(
          this.#failed(`No answer within ${timeoutMs} ms. Call ${name} again to learn its outcome.`, CODE.timedOut),
        );
      });
      const answer: Done = (apply) => {
        const arrive = (): void => {
          if (late || this.#dead) return;
          timer.cancel();
          this.#unknown = undefined;
          try {
            apply();
            resolve();
          } catch (error) {
            reject(error);
          }
        };
        if (!unanswered) this.#simulation.request(faults.transactionDelayMs, arrive, this.#broker);
      };
      const send = (): void => {
        if (arrives && !late && !this.#dead) request(answer);
      };
      this.#simulation.request(faults.transactionDelayMs, send, this.#broker);
    });
  }

  /** One call at a time, and only where it makes sense. */
  async #exclusive(name: string, allowed: readonly State[], call: () => Promise<void>): Promise<void> {
    this.#options.requireOpen();
    if (this.#state === "fatal") throw this.#reason;
    if (this.#running) throw this.#failed(`${this.#running.name} is under way. Await it first.`, CODE.state);
    if (this.#unknown !== undefined && this.#unknown !== name) {
      throw this.#failed(`The outcome of ${this.#unknown} is unknown. Call it again first.`, CODE.state);
    }
    if (!allowed.includes(this.#state)) {
      if (this.#state === "abortable") throw this.#reason;
      throw this.#failed(`${name} is not possible now: the producer is ${this.#state}.`, CODE.state);
    }
    const calling = call();
    this.#running = { name, ended: calling.catch(() => undefined) };
    try {
      await calling;
    } finally {
      this.#running = undefined;
    }
  }

  /** Throws where there is a refusal. */
  #refused(what: string, code: number | undefined): void {
    if (code === undefined) return;
    if (code === CODE.producerFenced) throw this.#fence();
    throw this.#abortable(what, code);
  }

  #abortable(what: string, code: number | undefined): KafkaConnectorError {
    this.#state = "abortable";
    this.#reason = this.#simulation.error("TRANSACTION_ABORTABLE", `${what}. Abort it and begin another.`, code);
    return this.#reason;
  }

  #fence(): KafkaConnectorError {
    if (this.#state === "fatal") return this.#reason as KafkaConnectorError;
    this.#state = "fatal";
    this.#reason = this.#simulation.error(
      "PRODUCER_FENCED",
      `Another producer has the transactional.id ${this.#options.transactionalId}, or the transaction outlived its timeout. Close this one.`,
      CODE.producerFenced,
    );
    this.#options.onFatal(
      this.#simulation.error("CLIENT_FAILED", "The producer is fenced. Close it.", CODE.producerFenced),
    );
    return this.#reason;
  }

  #failed(text: string, code: number): KafkaConnectorError {
    return this.#simulation.error("TRANSACTION_FAILED", text, code);
  }
}
