import { crc32 } from "node:zlib";
import { type ClientProperties, KafkaConnectorError, type OutgoingRecord } from "@millrace/kafka";
import { metadataRefreshMsOf } from "./consumer-settings.js";
import type { Simulation } from "../simulation.js";
import type { Topics } from "../broker/topics.js";

/** The default: by CRC-32 of the key; records without a key go to one partition for a while, then to another. */
const DEFAULT = "consistent_random";

/** Which partition a record goes to, as far as the producer knows the topics: it looks at them now and then only. */
export class Partitioner {
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #refreshMs: number;
  readonly #stickyMs: number;
  readonly #known = new Map<string, { readonly count: number; readonly at: number }>();
  readonly #sticky = new Map<string, { readonly partition: number; readonly until: number }>();

  constructor(simulation: Simulation, topics: Topics, properties: ClientProperties) {
    this.#simulation = simulation;
    this.#topics = topics;
    this.#refreshMs = metadataRefreshMsOf(properties);
    this.#stickyMs = Number(properties["sticky.partitioning.linger.ms"] ?? 10);
    const name = properties["partitioner"] ?? DEFAULT;
    if (name !== DEFAULT) {
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        `The simulation has no partitioner ${String(name)}. Leave it out for \`${DEFAULT}\`, or name the partition of each record.`,
      );
    }
  }

  /** 0 where there is no such topic. */
  countOf(topic: string): number {
    const now = this.#simulation.clock.now();
    const known = this.#known.get(topic);
    if (known && now < known.at + this.#refreshMs) return known.count;
    const count = this.#topics.partitionsOf(topic);
    if (count > 0) this.#known.set(topic, { count, at: now });
    return count;
  }

  partitionOf({ topic, key }: OutgoingRecord): number {
    const count = this.countOf(topic);
    if (count === 0) return -1;
    return key === null ? this.#stickyOf(topic, count) : crc32(key) % count;
  }

  #stickyOf(topic: string, count: number): number {
    const now = this.#simulation.clock.now();
    let sticky = this.#sticky.get(topic);
    if (!sticky || now >= sticky.until) {
      sticky = { partition: this.#simulation.random.int(0, count - 1), until: now + this.#stickyMs };
      this.#sticky.set(topic, sticky);
    }
    return sticky.partition;
  }
}
