import type { Clock, Logger } from "@millrace/streams";
import type { ConsumerClient, RecordChunk } from "../../client/port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { FlowControl } from "./flow-control.js";
import { LARGEST_BY_DEFAULT, RecordSizes } from "../../client/record-sizes.js";

/** The longest a poll waits for its first record: how late a rebalance or commit result may be noticed. */
const POLL_WAIT_MS = 50;
/** The same while a commit waits for its answer. */
const COMMIT_WAIT_MS = 5;
/** Wait after an error that polling may outlive. */
const RETRY_POLL_MS = 200;

export interface ReadLoopOptions {
  readonly client: Pick<ConsumerClient, "poll">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly flow: FlowControl;
  readonly maxPollRecords: number;
  readonly life: Pick<SessionLife, "isStopped" | "fail">;
  /** A commit waits for its answer. */
  readonly isCommitting: () => boolean;
  readonly listener: ReadListener;
}

export interface ReadListener {
  onChunk(chunk: RecordChunk): void;
  /** After each poll, and what came of it. */
  onPolled(): void;
  /** A poll failed, and another follows. */
  onPollFailed(error: unknown): void;
}

/** Polls until it is closed, because rebalances and commit results are served only by polling. */
export class ReadLoop {
  readonly #options: ReadLoopOptions;
  readonly #sizes = new RecordSizes(LARGEST_BY_DEFAULT);
  #lastPollMs = 0;
  #closed = false;
  #wake: () => void = () => undefined;
  #polls = 0;
  #drains = 0;
  /** What has to be done while no poll runs. */
  readonly #between: { readonly work: () => Promise<void>; readonly reject: (error: Error) => void }[] = [];

  constructor(options: ReadLoopOptions) {
    this.#options = options;
  }

  /** How much may be read and delivered. */
  get flow(): FlowControl {
    return this.#options.flow;
  }

  /** Something changed that it may be waiting for: there is room, or a commit that only a poll answers. */
  wake(): void {
    this.#wake();
  }

  get polls(): number {
    return this.#polls;
  }

  /** Polls after which the client had nothing more. */
  get drains(): number {
    return this.#drains;
  }

  /** Does `work` while no poll runs: what the polls after it return was then read after it. */
  between(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#between.push({ work: () => work().then(resolve, reject), reject });
      if (this.#closed) this.#refuse();
      else this.wake();
    });
  }

  #refuse(): void {
    for (const { reject } of this.#between.splice(0)) {
      reject(new KafkaConnectorError("CONSUMER_CLOSED", "The consumer is closed, so it reads nothing any more."));
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      try {
        for (let next = this.#between.shift(); next; next = this.#between.shift()) await next.work();
        if (this.#closed) break;
        await this.#step();
      } catch (error) {
        await this.#onStepFailed(error);
      }
    }
    this.#refuse();
  }

  async #onStepFailed(error: unknown): Promise<void> {
    if (this.#closed) return;
    if (!(error instanceof KafkaConnectorError && error.retriable)) this.#options.life.fail(error);
    else this.#options.logger.warn("kafka consumer: poll failed, trying again", { error });
    await this.#untilWoken(RETRY_POLL_MS);
    this.#options.listener.onPollFailed(error);
  }

  /**
   * Reads when there is room for a whole read. Until then it goes on polling for one record a time, because rebalances
   * and commits are answered by nothing else. Only when there is no room for that either are partitions paused, for a
   * pause makes the client throw its prefetch away.
   */
  async #step(): Promise<void> {
    const { maxPollRecords, flow, clock } = this.#options;
    const stopped = this.#options.life.isStopped;
    const room = flow.readRoom(this.#sizes.mean);
    if (room.isWhole && !stopped) {
      flow.apply(false);
      await this.#poll(Math.min(room.records, maxPollRecords, this.#sizes.fitting(room.bytes)));
      return;
    }
    if (stopped || room.isFull) flow.apply(true);
    else {
      const dueMs = this.#lastPollMs + this.#waitMs - clock.now();
      if (dueMs > 0) {
        await this.#untilWoken(dueMs);
        return;
      }
    }
    await this.#poll(1);
  }

  #untilWoken(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.schedule(timeoutMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  get #waitMs(): number {
    return this.#options.isCommitting() ? COMMIT_WAIT_MS : POLL_WAIT_MS;
  }

  async #poll(maxRecords: number): Promise<void> {
    const chunk = await this.#options.client.poll({ maxRecords, waitMs: this.#waitMs });
    this.#lastPollMs = this.#options.clock.now();
    this.#polls += 1;
    if ((chunk?.length ?? 0) < maxRecords) this.#drains += 1;
    if (chunk) this.#sizes.sawChunk(chunk);
    if (chunk && !this.#options.life.isStopped) this.#options.listener.onChunk(chunk);
    this.#options.listener.onPolled();
  }
}
