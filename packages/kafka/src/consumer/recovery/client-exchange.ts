import type { Cancellable } from "@millrace/streams";
import { KafkaConnectorError } from "../../errors/errors.js";
import { partitionOf } from "../../client/partition-key.js";
import type { Rebalancing } from "../rebalancing/rebalancing.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** Before it is tried again. */
const AGAIN_MS = 500;

/**
 * Replaces a client that is of no use any more, between two polls, while the stream goes on. I5: to this consumer
 * everything is lost, and what it had not finished is read again.
 */
export class ClientExchange {
  readonly #context: SessionContext;
  readonly #rebalancing: Pick<Rebalancing, "resume" | "subscription">;
  #underWay = false;
  #timer: Cancellable | undefined;
  #proceed: () => void = () => undefined;
  #closed = false;

  constructor(context: SessionContext, rebalancing: Pick<Rebalancing, "resume" | "subscription">) {
    this.#context = context;
    this.#rebalancing = rebalancing;
  }

  get underWay(): boolean {
    return this.#underWay;
  }

  /** Begins nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#proceed();
  }

  /** In `delayMs`, as soon as nothing is being given up; returns whether there will be a new client. */
  begin(delayMs: number): boolean {
    if (this.#closed) return false;
    if (!this.#underWay) {
      this.#underWay = true;
      void this.#until(delayMs);
    }
    return true;
  }

  /** Now, unless something is being given up, which must not be taken again; returns whether it was done. */
  async once(): Promise<boolean> {
    let done = false;
    await this.#context.reading.between(async () => {
      done = await this.#exchange();
    });
    return done;
  }

  async #until(delayMs: number): Promise<void> {
    try {
      await this.#after(delayMs);
      while (!this.#closed && !(await this.once())) await this.#after(AGAIN_MS);
    } catch {
      // Reported already, or the consumer is closed.
    } finally {
      this.#underWay = false;
    }
  }

  async #exchange(): Promise<boolean> {
    const { assignment, client, life } = this.#context;
    if ([...assignment.partitions].some(({ retired }) => retired)) return false;
    while (!this.#closed) {
      const partitions = [...assignment.partitions];
      this.#rebalancing.resume(partitions);
      try {
        await client.renew(partitions.map(partitionOf), () => this.#rebalancing.subscription());
        return true;
      } catch (error) {
        if (!(error instanceof KafkaConnectorError && error.retriable)) {
          // There is no client any more.
          this.#underWay = false;
          life.fail(error);
          throw error;
        }
        // Its brokers may be away.
        await this.#after(AGAIN_MS);
      }
    }
    return false;
  }

  #after(delayMs: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#proceed = resolve;
      this.#timer = this.#context.clock.schedule(delayMs, resolve);
    });
  }
}
