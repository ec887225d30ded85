import type {
  ConsumerClient,
  PartitionRun,
  RecordChunk,
  TopicPartition,
  TopicPartitionOffset,
} from "../../client/port.js";
import { partitionKey } from "../../client/partition-key.js";
import type { Until } from "../../settings/reading-settings.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { offsetsSince } from "./start-offsets.js";

type Lookups = Pick<ConsumerClient, "offsetsForTimes" | "watermarks">;

/** The offsets at which a bounded source is done with its partitions. They are looked up once, and never move. */
export class Bounds {
  readonly #client: Lookups;
  readonly #until: Until;
  readonly #timeoutMs: number;
  readonly #bounds = new Map<string, number>();

  constructor(client: Lookups, until: Until, timeoutMs: number) {
    this.#client = client;
    this.#until = until;
    this.#timeoutMs = timeoutMs;
  }

  async learn(partitions: readonly TopicPartition[]): Promise<void> {
    const unknown = partitions.filter((each) => !this.#bounds.has(partitionKey(each)));
    if (unknown.length === 0) return;
    for (const { topic, partition, offset } of await this.#lookUp(unknown)) {
      this.#bounds.set(partitionKey({ topic, partition }), offset);
    }
  }

  async #lookUp(partitions: readonly TopicPartition[]): Promise<readonly TopicPartitionOffset[]> {
    if (this.#until === "end") {
      return Promise.all(
        partitions.map(async (each) => ({
          ...each,
          offset: (await this.#client.watermarks(each, this.#timeoutMs)).high,
        })),
      );
    }
    const found = await offsetsSince(this.#client, partitions, this.#until.timestamp, this.#timeoutMs);
    return found.map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset: typeof offset === "number" ? offset : 0,
    }));
  }

  /** What of a run lies below the bound. */
  cut(owned: OwnedPartition, chunk: RecordChunk, run: PartitionRun): PartitionRun | undefined {
    const bound = this.of(owned);
    if (run.lastOffset < bound) {
      if (run.lastOffset === bound - 1) owned.complete();
      return run;
    }
    owned.complete();
    let { to, bytes } = run;
    while (to > run.from && chunk.offset(to - 1) >= bound) bytes -= chunk.bytes(--to);
    return to === run.from ? undefined : { ...run, to, bytes, lastOffset: chunk.offset(to - 1) };
  }

  of(partition: TopicPartition): number {
    return this.#bounds.get(partitionKey(partition)) ?? Number.POSITIVE_INFINITY;
  }

  /** Everything below was read: the last records before the bound may be hidden ones. */
  reachEnd(owned: OwnedPartition, offset: number): void {
    if (offset >= this.of(owned)) owned.complete();
  }
}

/** It has delivered all that is wanted of it. */
export const isDone = (owned: OwnedPartition): boolean => owned.isComplete && owned.buffered === 0 && !owned.retired;
