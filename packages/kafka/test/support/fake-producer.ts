import type { ClientProperties, OutgoingRecord, ProducerClient, ProducerListener } from "../../src/client/port.js";

export interface SentRecord {
  readonly id: number;
  readonly record: OutgoingRecord;
}

/** A producer client at the hand of a test; by default it acknowledges what it took in the next turn, in order. */
export class FakeProducer implements ProducerClient {
  readonly properties: ClientProperties;
  readonly listener: ProducerListener;
  readonly sent: SentRecord[] = [];
  readonly closes: { readonly drop: boolean; readonly outstanding: number }[] = [];
  /** Numbers of records accepted by each call. */
  readonly accepted: number[] = [];
  connecting: Promise<void> = Promise.resolve();
  /** Records it takes before its queue is full. */
  capacity = Number.MAX_SAFE_INTEGER;
  /** The error of a record that can never be sent. */
  refuse: (record: OutgoingRecord) => Error | undefined = () => undefined;
  /** Called with what a call accepted; default: acknowledge in the next turn. */
  onSent: (sent: readonly SentRecord[]) => void = (sent) => {
    setImmediate(() => this.acknowledge(...sent.map(({ id }) => id)));
  };
  readonly #open = new Map<number, OutgoingRecord>();

  constructor(properties: ClientProperties, listener: ProducerListener) {
    this.properties = properties;
    this.listener = listener;
  }

  get outstanding(): number {
    return this.#open.size;
  }

  connect(): Promise<void> {
    return this.connecting;
  }

  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number {
    const sent: SentRecord[] = [];
    for (let index = from; index < records.length && this.#open.size < this.capacity; index++) {
      const record = records[index] as OutgoingRecord;
      const error = this.refuse(record);
      if (error && index === from) throw error;
      if (error) break;
      this.#open.set(firstId + index, record);
      sent.push({ id: firstId + index, record });
    }
    this.accepted.push(sent.length);
    this.sent.push(...sent);
    if (sent.length > 0) this.onSent(sent);
    return sent.length;
  }

  /** Reports in the order given; a record's offset is its id, and its partition the one it names, or 0. */
  acknowledge(...ids: readonly number[]): void {
    this.#report(ids, undefined);
  }

  fail(id: number, error: Error): void {
    this.#report([id], error);
  }

  #report(ids: readonly number[], error: Error | undefined): void {
    const known = ids.filter((id) => this.#open.has(id));
    if (known.length === 0) return;
    const partitions = known.map((id) => this.#open.get(id)?.partition ?? 0);
    for (const id of known) this.#open.delete(id);
    this.listener.onReports({
      length: known.length,
      ids: known,
      partitions,
      offsets: known.map((id) => (error ? -1 : id)),
      errors: known.map(() => error),
    });
  }

  async flush(): Promise<void> {}

  async close({ drop = false }: { readonly drop?: boolean } = {}): Promise<void> {
    this.closes.push({ drop, outstanding: this.#open.size });
    if (drop) this.#open.clear();
  }
}
