import type {
  ClientProperties,
  ConsumerClient,
  DeliveryReports,
  KafkaDriver,
  OutgoingRecord,
  ProducerClient,
  ProducerListener,
  ProducerTransactions,
  TopicPartitionOffset,
} from "@millrace/kafka";
import type { Effects } from "./effects.js";
import { errorText } from "./error-text.js";
import type { Life } from "./life.js";
import { LivingConsumer } from "./living-consumer.js";

/** A producer that reports each step, and does nothing once its process is dead. */
export class LivingProducer implements ProducerClient {
  readonly #inner: ProducerClient;
  readonly #life: Life;
  readonly #effects: Effects;
  readonly #listener: ProducerListener;
  readonly #sent = new Map<number, string>();
  readonly transactions?: ProducerTransactions;

  constructor(
    driver: KafkaDriver,
    properties: ClientProperties,
    listener: ProducerListener,
    life: Life,
    effects: Effects,
  ) {
    this.#life = life;
    this.#effects = effects;
    this.#listener = listener;
    this.#inner = driver.producer(properties, {
      onReports: (reports) => this.#onReports(reports),
      onError: (error) => {
        if (!life.dead) listener.onError(error);
      },
    });
    if (this.#inner.transactions) this.transactions = new LivingTransactions(this.#inner.transactions, life);
    life.onKilled(() => {
      // Later, for the process may be in the middle of a call that it has to return from first.
      queueMicrotask(() => listener.onError(life.killed()));
      void this.#inner.close({ drop: true });
    });
  }

  get outstanding(): number {
    return this.#inner.outstanding;
  }

  connect(): Promise<void> {
    return this.#life.alive(this.#inner.connect());
  }

  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number {
    this.#life.requireAlive();
    const accepted = this.#inner.produceBatch(records, from, firstId);
    if (accepted === 0) return 0;
    const names: string[] = [];
    records.slice(from, from + accepted).forEach((record, index) => {
      const effect = this.#effects.idOf(record);
      names.push(effect ?? String(record.value));
      if (effect === undefined) return;
      this.#sent.set(firstId + from + index, effect);
      this.#effects.send(effect);
      this.#life.touched.add(effect);
      this.#life.underWay.add(effect);
    });
    this.#life.step(`${this.#life.name} sends ${names.join(" ")}`);
    return accepted;
  }

  flush(timeoutMs: number): Promise<void> {
    return this.#life.alive(this.#inner.flush(timeoutMs));
  }

  close(options?: { readonly drop?: boolean }): Promise<void> {
    return this.#inner.close(options);
  }

  #onReports(reports: DeliveryReports): void {
    if (this.#life.dead) return;
    const stored: string[] = [];
    const failed: string[] = [];
    reports.ids.forEach((id, index) => {
      const effect = this.#sent.get(id);
      if (effect !== undefined) this.#life.underWay.delete(effect);
      if (effect !== undefined) (reports.errors[index] === undefined ? stored : failed).push(effect);
      this.#sent.delete(id);
    });
    const what = [
      stored.length > 0 && `${stored.join(" ")} acknowledged`,
      failed.length > 0 && `${failed.join(" ")} failed`,
    ];
    this.#life.step(`${this.#life.name} hears: ${what.filter(Boolean).join(", ")}`);
    if (this.#life.dead) return;
    for (const effect of stored) this.#effects.acknowledge(effect);
    this.#listener.onReports(reports);
  }
}

class LivingTransactions implements ProducerTransactions {
  readonly #inner: ProducerTransactions;
  readonly #life: Life;

  constructor(inner: ProducerTransactions, life: Life) {
    this.#inner = inner;
    this.#life = life;
  }

  init(timeoutMs: number): Promise<void> {
    return this.#call("begins to use its transactional id", () => this.#inner.init(timeoutMs));
  }

  begin(): Promise<void> {
    return this.#call("begins a transaction", () => this.#inner.begin());
  }

  sendOffsets(positions: readonly TopicPartitionOffset[], consumer: ConsumerClient, timeoutMs: number): Promise<void> {
    const inner = consumer instanceof LivingConsumer ? consumer.inner : consumer;
    return this.#call("adds its position to the transaction", () =>
      this.#inner.sendOffsets(positions, inner, timeoutMs),
    );
  }

  commit(timeoutMs: number): Promise<void> {
    return this.#call("commits its transaction", () => this.#inner.commit(timeoutMs));
  }

  abort(timeoutMs: number): Promise<void> {
    return this.#call("aborts its transaction", () => this.#inner.abort(timeoutMs));
  }

  async #call(what: string, call: () => Promise<void>): Promise<void> {
    this.#life.requireAlive();
    const answered = call();
    this.#life.step(`${this.#life.name} ${what}`);
    const outcome = await this.#life.alive(
      answered.then(
        () => ({ error: undefined }),
        (error: unknown) => ({ error }),
      ),
    );
    this.#life.step(
      `${this.#life.name} hears: ${what} ${outcome.error === undefined ? "done" : errorText(outcome.error)}`,
    );
    this.#life.requireAlive();
    if (outcome.error !== undefined) throw outcome.error;
  }
}
