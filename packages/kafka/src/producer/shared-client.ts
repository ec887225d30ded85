import { InvariantViolation } from "@millrace/streams";
import type { DeliveryReports, OutgoingRecord, ProducerClient, ProducerListener } from "../client/port.js";
import { isFatal, KafkaConnectorError } from "../errors/errors.js";

/** How long a share that is given up waits for its reports, as a client of its own would. */
const CLOSE_MS = 30_000;

const NO_REPORTS: DeliveryReports = { length: 0, ids: [], partitions: [], offsets: [], errors: [] };

/** Records one call gave to the client, which counts for all shares: what a share calls `id` is `id + shift` there. */
interface Range {
  readonly share: ClientShare;
  readonly shift: number;
}

/** The reports of one share out of those of all. */
class ShareReports implements DeliveryReports {
  readonly ids: number[] = [];
  readonly partitions: number[] = [];
  readonly offsets: number[] = [];
  readonly errors: (Error | undefined)[] = [];

  get length(): number {
    return this.ids.length;
  }

  push(id: number, reports: DeliveryReports, index: number): void {
    this.ids.push(id);
    this.partitions.push(reports.partitions[index] as number);
    this.offsets.push(reports.offsets[index] as number);
    this.errors.push(reports.errors[index]);
  }
}

export interface SharedClientOptions {
  readonly open: (listener: ProducerListener) => ProducerClient;
  /** An error of the client that does not end it. */
  readonly onWarning: (error: Error) => void;
  /** It is of no further use; what follows needs another client. */
  readonly onEnd: (client: ProducerClient, error: unknown) => void;
}

/**
 * One client with several users, each with a share that looks like a client of its own.
 *
 * Records of one share keep their order, for they reach the client in it. When its queue is full the shares take turns:
 * 1. one that was refused stands in line; 2. from then on only the first in line is served; 3. what it leaves, or what
 * becomes free by the next reports, goes to the one behind it. So none is starved by another that never rests.
 */
export class SharedClient {
  readonly #options: SharedClientOptions;
  readonly #client: ProducerClient;
  readonly #shares = new Set<ClientShare>();
  /** By the client's id of each record it has accepted and not reported. */
  readonly #ranges = new Map<number, Range>();
  readonly #line = new Set<ClientShare>();
  #serving = false;
  #nextId = 0;
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #end: { readonly error: unknown } | undefined;

  constructor(options: SharedClientOptions) {
    this.#options = options;
    this.#client = options.open({
      onReports: (reports) => this.#onReports(reports),
      onError: (error) => {
        if (isFatal(error)) this.#fail(error);
        else options.onWarning(error);
      },
    });
  }

  get isOver(): boolean {
    return this.#end !== undefined || this.#closing !== undefined;
  }

  get users(): number {
    return this.#shares.size;
  }

  share(listener: ProducerListener): ProducerClient {
    const share = new ClientShare(this, listener);
    this.#shares.add(share);
    return share;
  }

  connect(): Promise<void> {
    if (this.#end) return Promise.reject(this.#end.error);
    this.#connecting ??= this.#client.connect().catch((error: unknown) => {
      // Every share waits for this promise, so none needs another notification.
      this.#over(error);
      throw error;
    });
    return this.#connecting;
  }

  /** As the port says; answers 0 also while others stand in line, or the client closes. */
  produce(share: ClientShare, records: readonly OutgoingRecord[], from: number, firstId: number): number {
    if (this.#end) throw this.#end.error;
    // What is refused now is reported by `onError`, after the reports of what was accepted.
    if (this.#closing) return 0;
    if (this.#line.size > 0 && this.#first !== share) {
      this.#line.add(share);
      return 0;
    }
    const first = this.#nextId;
    let accepted: number;
    try {
      accepted = this.#client.produceBatch(records, from, first - from);
    } catch (error) {
      // The record is at fault, not the queue: a share with more records asks again.
      this.leave(share);
      throw error;
    }
    if (accepted === 0) {
      // Where it is first already it stays so: its turn was of no use to it.
      this.#line.add(share);
      return 0;
    }
    this.#line.delete(share);
    if (from + accepted < records.length) this.#line.add(share);
    const range = { share, shift: first - firstId - from };
    for (let id = first; id < first + accepted; id++) this.#ranges.set(id, range);
    this.#nextId = first + accepted;
    if (this.#first !== share) this.#serve();
    return accepted;
  }

  /** The share wants nothing more of the queue. */
  leave(share: ClientShare): void {
    const wasFirst = this.#first === share;
    if (this.#line.delete(share) && wasFirst) this.#serve();
  }

  giveUp(share: ClientShare): void {
    this.#shares.delete(share);
  }

  /** Waits for the reports of everything accepted, or drops it, then ends every share that is still in use. */
  close(drop: boolean): Promise<void> {
    this.#closing ??= this.#close(drop);
    return this.#closing;
  }

  async #close(drop: boolean): Promise<void> {
    if (this.#end) return;
    try {
      await this.#client.close({ drop });
    } finally {
      this.#endShares(
        new KafkaConnectorError("PRODUCER_CLOSED", "The shared producer was closed by its owner.", { fatal: true }),
      );
    }
  }

  get #first(): ClientShare | undefined {
    return this.#line.values().next().value;
  }

  /** Deferred: the served share asks at once, and the one that made room may be in the middle of a call. */
  #serve(): void {
    if (this.#serving || this.#line.size === 0) return;
    this.#serving = true;
    queueMicrotask(() => {
      this.#serving = false;
      this.#first?.onReports(NO_REPORTS);
    });
  }

  #onReports(reports: DeliveryReports): void {
    const split = new Map<ClientShare, ShareReports>();
    for (let index = 0; index < reports.length; index++) {
      const id = reports.ids[index] as number;
      const range = this.#ranges.get(id);
      if (!range) {
        // Thrown here it would end the process.
        const cause = new InvariantViolation(`record ${id} of a shared producer was reported twice`);
        this.#fail(new KafkaConnectorError("CLIENT_FAILED", cause.message, { fatal: true, cause }));
        return;
      }
      this.#ranges.delete(id);
      let own = split.get(range.share);
      if (!own) split.set(range.share, (own = new ShareReports()));
      own.push(id - range.shift, reports, index);
    }
    for (const [share, own] of split) share.onReports(own);
    this.#serve();
  }

  #fail(error: Error): void {
    this.#over(error);
    this.#endShares(error);
  }

  #over(error: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.#options.onEnd(this.#client, error);
  }

  #endShares(error: Error): void {
    this.#end ??= { error };
    this.#line.clear();
    this.#ranges.clear();
    const shares = [...this.#shares];
    this.#shares.clear();
    for (const share of shares) share.onEnd(error);
  }
}

/** What one flow, sink or sender has of a shared client; closing it closes the share alone. */
class ClientShare implements ProducerClient {
  readonly #shared: SharedClient;
  readonly #listener: ProducerListener;
  #outstanding = 0;
  #closed = false;
  #drop = false;
  #closing: Promise<void> | undefined;
  readonly #drained: (() => void)[] = [];

  constructor(shared: SharedClient, listener: ProducerListener) {
    this.#shared = shared;
    this.#listener = listener;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  connect(): Promise<void> {
    return this.#shared.connect();
  }

  produceBatch(records: readonly OutgoingRecord[], from: number, firstId: number): number {
    if (this.#closed)
      throw new KafkaConnectorError("PRODUCER_CLOSED", "This share of the producer is closed. Take another.");
    const accepted = this.#shared.produce(this, records, from, firstId);
    this.#outstanding += accepted;
    return accepted;
  }

  onReports(reports: DeliveryReports): void {
    this.#outstanding -= reports.length;
    this.#listener.onReports(reports);
    if (this.#outstanding === 0) this.#resumeDrained();
  }

  /** The client ended: whatever has not been reported never will be. */
  onEnd(error: Error): void {
    this.#outstanding = 0;
    this.#resumeDrained();
    this.#listener.onError(error);
  }

  async flush(timeoutMs: number): Promise<void> {
    await this.#drain(timeoutMs);
    this.#requireReports(timeoutMs);
  }

  /** What the client has queued is sent, also with `drop`: it cannot be distinguished from what others queued. */
  close({ drop = false }: { readonly drop?: boolean } = {}): Promise<void> {
    this.#closed = true;
    this.#drop ||= drop;
    if (this.#drop) this.#resumeDrained();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#shared.leave(this);
    await this.#drain(CLOSE_MS);
    this.#shared.giveUp(this);
    if (!this.#drop) this.#requireReports(CLOSE_MS);
  }

  #requireReports(timeoutMs: number): void {
    if (this.#outstanding === 0) return;
    throw new KafkaConnectorError(
      "FLUSH_TIMEOUT",
      `${this.#outstanding} records were not reported within ${timeoutMs} ms: they may or may not be delivered. Check that the brokers are reachable.`,
      { retriable: true },
    );
  }

  async #drain(timeoutMs: number): Promise<void> {
    if (this.#outstanding === 0 || this.#drop) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#drained.push(resolve);
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  #resumeDrained(): void {
    for (const resume of this.#drained.splice(0)) resume();
  }
}
