import type { KafkaSettings } from "@millrace/kafka";
import type { Clock } from "@millrace/streams";
import type { Bounds } from "./delivery-plan.js";

/** An input record; its id is its value. */
export interface DeliveryInput {
  readonly id: string;
  readonly key: string;
  readonly partition: number;
  readonly offset: number;
}

/** What one life of a process under test works with; everything in it takes virtual time and ends with that life. */
export interface DeliveryWorld {
  /** The simulated cluster, a consumer group and this life's client id: give it to sources and producers. */
  readonly kafka: KafkaSettings;
  /** The topic to read. Keys repeat within a partition and across partitions. */
  readonly input: string;
  /** The topic to write to, with as many partitions as `checkDelivery` was given. */
  readonly output: string;
  /**
   * Something done outside Kafka, named by what it is for (a record's value, unless `expected` says otherwise). It takes
   * virtual time drawn from the seed, and does not happen where the process dies before.
   */
  effect(id: string): Promise<void>;
  /** Lets virtual time pass. Rejects when the process is killed, as `effect` does. */
  sleep(ms: number): Promise<void>;
  /** The clock the graph is run with. */
  readonly clock: Clock;
  /**
   * Bounds drawn from the seed, the budget of replays sometimes below and sometimes above the others:
   * `sourceWithOffsetContext({ ...world.bounds, kafka, topics })`. A source that takes them is held to that budget, as
   * by `maxReplay` in the options.
   */
  readonly bounds: Bounds;
  /** From 0 (inclusive) to 1 (exclusive), drawn from the seed. */
  random(): number;
}
