import type { ClientProperties, ConsumerClient, RecordChunk, Subscription, TopicPartition } from "@millrace/kafka";
import type { Surroundings } from "./cluster.js";
import { codeOf } from "./outcome.js";

const POLL_EVERY_MS = 10;

/** A consumer that polls by itself from `start` to `close`, and remembers what it was told and what it read. */
export class Member {
  readonly client: ConsumerClient;
  /** Calls of the listener in order: `assign t-0 t-1`, `revoke nothing`, `lost t-0`. */
  readonly told: string[] = [];
  /** Offsets in the order they came, by partition. */
  readonly read: Record<string, number[]> = {};
  /** Codes, by the way they came: `poll -140`, `listener 3`. */
  readonly errors: string[] = [];
  readonly owned: Set<string> = new Set();
  maxRecords = 100;
  /** The most records one poll brought. */
  largest = 0;
  polls = 0;
  onAssign: (partitions: readonly TopicPartition[]) => Promise<void> | void = () => undefined;
  onRevoke: (partitions: readonly TopicPartition[]) => Promise<void> | void = () => undefined;
  onLost: (partitions: readonly TopicPartition[]) => Promise<unknown> | void = () => undefined;
  onChunk: (chunk: RecordChunk) => void = () => undefined;
  readonly #lab: Surroundings;
  #polling = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(lab: Surroundings, properties: ClientProperties) {
    this.#lab = lab;
    this.client = lab.driver.consumer(properties, {
      onAssign: async (partitions) => {
        this.told.push(`assign ${this.#labels(partitions).join(" ") || "nothing"}`);
        await this.onAssign(partitions);
        for (const label of this.#labels(partitions)) this.owned.add(label);
      },
      onRevoke: async (partitions) => {
        this.told.push(`revoke ${this.#labels(partitions).join(" ") || "nothing"}`);
        await this.onRevoke(partitions);
        for (const label of this.#labels(partitions)) this.owned.delete(label);
      },
      onLost: async (partitions) => {
        this.told.push(`lost ${this.#labels(partitions).join(" ") || "nothing"}`);
        await this.onLost(partitions);
        for (const label of this.#labels(partitions)) this.owned.delete(label);
      },
      onError: (error) => void this.errors.push(`listener ${codeOf(error)}`),
    });
  }

  /** Records read, of all partitions. */
  get count(): number {
    return Object.values(this.read).flat().length;
  }

  start(subscription: Subscription): this {
    this.client.subscribe(subscription);
    return this.poll();
  }

  poll(): this {
    this.#polling = true;
    this.#loop = this.#run();
    return this;
  }

  /** Polls no more, and does not close. */
  async stall(): Promise<void> {
    this.#polling = false;
    await this.#loop;
  }

  async close(): Promise<void> {
    this.#polling = false;
    await this.#loop;
    await this.client.close();
  }

  /** Done when exactly these are its partitions, for example `owns("t-0 t-1")`. */
  owns(labels: string): Promise<void> {
    const wanted = labels.split(" ").filter(Boolean).sort().join(" ");
    return this.#lab.until(() => [...this.owned].sort().join(" ") === wanted, `owning ${labels || "nothing"}`);
  }

  /** Done when it was told so often. */
  hears(calls: number): Promise<void> {
    return this.#lab.until(() => this.told.length >= calls, `${calls} calls of the listener`);
  }

  reads(count: number): Promise<void> {
    return this.#lab.until(() => this.count >= count, `${count} records read`);
  }

  fails(): Promise<void> {
    return this.#lab.until(() => this.errors.length > 0, "an error");
  }

  async #run(): Promise<void> {
    while (this.#polling) {
      this.polls += 1;
      try {
        const chunk = await this.client.poll({ maxRecords: this.maxRecords, waitMs: 0 });
        if (chunk !== undefined) this.#note(chunk);
      } catch (error) {
        this.errors.push(`poll ${codeOf(error)}`);
      }
      await this.#lab.pass(POLL_EVERY_MS);
    }
  }

  #note(chunk: RecordChunk): void {
    this.largest = Math.max(this.largest, chunk.length);
    for (let index = 0; index < chunk.length; index++) {
      const label = this.#lab.label({ topic: chunk.topic(index), partition: chunk.partition(index) });
      (this.read[label] ??= []).push(chunk.offset(index));
    }
    this.onChunk(chunk);
    chunk.release();
  }

  #labels(partitions: readonly TopicPartition[]): readonly string[] {
    return partitions.map((each) => this.#lab.label(each)).sort();
  }
}
