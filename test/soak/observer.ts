import { type ConsumerClient, type KafkaConnectorError, rdkafkaDriver, type TopicPartition } from "@millrace/kafka";
import { Marker, markOf } from "./marker.js";
import type { Oracle } from "./oracle.js";
import { parseOutput } from "./records.js";

const ANSWER_MS = 10_000;
const READ_MS = 60_000;
const LOOK_EVERY_MS = 1_000;
const RETRY_MS = 200;
/** For so long a broker that errs may tell old positions. */
const STALE_MS = 30_000;
/** Longer than a broker is away. */
const BLIND_MS = 40_000;

export interface ObserverOptions {
  readonly brokers: string;
  readonly groupId: string;
  readonly from: string;
  readonly to: string;
  readonly partitions: number;
  readonly say: (text: string) => void;
  /** Whether the broker's log tells of a fault of its own at that time, by which it may have told old positions. */
  readonly isExcused: (at: number) => boolean;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads the output topic and the group's positions for the oracle, by the client port alone; it joins no group. */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #oracle: Oracle;
  #client: ConsumerClient;
  #marker: Marker;
  /**
   * librdkafka can lose its brokers for good, and says so by a fatal error; or it reaches them, and never again gets an answer
   * from the coordinator of its group, while another client does. Only new clients read on.
   */
  #lost = false;
  readonly #places: number[];
  /** By partition, the newest mark that was read. */
  readonly #marks: number[];
  #loop: Promise<void> | undefined;
  #closing = false;
  #looks = 0;
  /** What the last look told. */
  #positions: readonly number[] = [];

  constructor(options: ObserverOptions, oracle: Oracle) {
    this.#options = options;
    this.#oracle = oracle;
    this.#places = Array.from({ length: options.partitions }, () => 0);
    this.#marks = [...this.#places];
    this.#marker = this.#newMarker(0);
    this.#client = this.#newClient();
  }

  async start(): Promise<void> {
    await this.#open();
    this.#loop = this.#run();
  }

  /** Resolves when the oracle has seen what is there now. */
  async upToDate(timeoutMs: number): Promise<void> {
    // The look under way may have begun before this call.
    const wanted = this.#looks + 2;
    const deadline = Date.now() + timeoutMs;
    while (this.#looks < wanted) {
      if (Date.now() > deadline) throw new Error("The output topic could not be read to its end in time.");
      await sleep(50);
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#loop;
    await Promise.all([this.#client.close(), this.#marker.close()]);
  }

  async #run(): Promise<void> {
    let seenAt = Date.now();
    while (!this.#closing) {
      try {
        await this.#look();
        seenAt = Date.now();
      } catch {
        // The broker is away, or slow; positions read before it came back are read again.
        await sleep(RETRY_MS);
        if (!this.#lost && Date.now() - seenAt < BLIND_MS) continue;
        await this.#renew().catch(() => undefined);
        seenAt = Date.now();
      }
    }
  }

  async #open(): Promise<void> {
    await Promise.all([this.#client.connect(), this.#marker.connect()]);
    const partitions = this.#partitionsOf(this.#options.to).map((each) => ({
      ...each,
      offset: this.#places[each.partition] ?? 0,
    }));
    this.#client.subscribe({ kind: "assignment", partitions });
  }

  /** Where the broker is away again, the new clients fail to connect, and others are made. */
  async #renew(): Promise<void> {
    this.#lost = true;
    await Promise.allSettled([this.#client.close({ hurry: true }), this.#marker.close()]);
    this.#client = this.#newClient();
    this.#marker = this.#newMarker(this.#marker.last);
    await this.#open();
    this.#lost = false;
  }

  readonly #onError = ({ fatal }: KafkaConnectorError): void => {
    this.#lost ||= fatal;
  };

  #newMarker(after: number): Marker {
    const { brokers, to, partitions } = this.#options;
    return new Marker({ brokers, topic: to, partitions, after, onError: this.#onError });
  }

  #newClient(): ConsumerClient {
    return rdkafkaDriver.consumer(
      { "bootstrap.servers": this.#options.brokers, "group.id": this.#options.groupId, log_level: 0 },
      { onAssign: () => undefined, onRevoke: () => undefined, onError: this.#onError },
    );
  }

  async #look(): Promise<void> {
    const next = Date.now() + LOOK_EVERY_MS;
    const positions = await this.#believed();
    const at = Date.now();
    this.#positions = positions;
    const mark = await this.#marker.mark();
    const deadline = Date.now() + READ_MS;
    while (!this.#closing && this.#marks.some((read) => read < mark)) {
      if (Date.now() > deadline) throw new Error("what was written before the mark did not come");
      await this.#read();
    }
    if (this.#closing) return;
    this.#oracle.positions(at, positions);
    this.#looks += 1;
    while (!this.#closing && Date.now() < next) await this.#read();
  }

  async #committed(client: ConsumerClient): Promise<readonly number[]> {
    const known = await this.#answered(client.committed(this.#partitionsOf(this.#options.from), ANSWER_MS));
    return this.#marks.map((_, partition) => known.find((each) => each.partition === partition)?.offset ?? 0);
  }

  /** What is committed; where the broker errs for a while, what it tells when that is over. */
  async #believed(): Promise<readonly number[]> {
    let positions = await this.#committed(this.#client);
    if (!this.#areBehind(positions)) return positions;
    await this.#askAgain(positions);
    if (!this.#options.isExcused(Date.now())) return positions;
    const deadline = Date.now() + STALE_MS;
    while (this.#areBehind(positions) && Date.now() < deadline && !this.#closing) {
      await sleep(RETRY_MS);
      positions = await this.#committed(this.#client);
    }
    return positions;
  }

  #areBehind(positions: readonly number[]): boolean {
    return positions.some((each, partition) => each < (this.#positions[partition] ?? 0));
  }

  /** Who is right, where positions went back: the same client is asked again, and a new one. */
  async #askAgain(positions: readonly number[]): Promise<void> {
    const other = this.#newClient();
    const answer = (client: ConsumerClient): Promise<string> => this.#committed(client).then(String, String);
    const again = await answer(this.#client);
    const others = await other.connect().then(() => answer(other), String);
    await other.close({ hurry: true }).catch(() => undefined);
    this.#options.say(
      `the group's positions went back from ${String(this.#positions)} to ${String(positions)}; asked again, the same client tells ${again}, a new one ${others}`,
    );
  }

  async #read(): Promise<void> {
    const chunk = await this.#client.poll({ maxRecords: 2000, waitMs: 100 });
    if (chunk === undefined) return;
    for (let index = 0; index < chunk.length; index++) {
      const partition = chunk.partition(index);
      const offset = chunk.offset(index);
      // After an error the client may read again what it has read.
      if (offset < (this.#places[partition] ?? 0)) continue;
      this.#places[partition] = offset + 1;
      const text = chunk.value(index)?.toString() ?? "";
      const mark = markOf(text);
      if (mark === undefined) this.#oracle.output(parseOutput(text), partition);
      else this.#marks[partition] = Math.max(mark, this.#marks[partition] ?? 0);
    }
    chunk.release();
  }

  /** Gives up on a call that keeps neither its own time limit nor this one. */
  async #answered<T>(call: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the client does not answer")), 2 * ANSWER_MS);
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #partitionsOf(topic: string): readonly TopicPartition[] {
    return Array.from({ length: this.#options.partitions }, (_, partition) => ({ topic, partition }));
  }
}
