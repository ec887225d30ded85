import type { ClientProperties, KafkaDriver, TopicPartition } from "@millrace/kafka";

/** A member of a group in a process of its own, as far as the scenario can see. */
export interface OtherProcess {
  /** The partitions it holds, for example `t-0`; sorted. */
  readonly held: readonly string[];
  /** Ends it without a word to its group. */
  kill(): void;
}

export interface OtherProcessOptions {
  readonly topic: string;
  readonly properties: ClientProperties;
}

/** What a scenario runs on: a real broker in real time, or a simulated one in virtual time. */
export interface Cluster {
  readonly driver: KafkaDriver;
  /** How a client reaches it. */
  readonly properties: ClientProperties;
  now(): number;
  /** Lets so many milliseconds pass. */
  pass(ms: number): Promise<void>;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** Until the topic has so many partitions in all. */
  grow(topic: string, partitions: number): Promise<void>;
  /** No broker is reachable until `meanwhile` has ended; done when they are back. */
  outage(meanwhile: () => Promise<void>): Promise<void>;
  /** Starts a member in a process of its own; done when it runs. */
  spawn(options: OtherProcessOptions): Promise<OtherProcess>;
}

/** What a scenario's clients need of its lab. */
export interface Surroundings extends Pick<Cluster, "driver" | "pass"> {
  label(partition: TopicPartition): string;
  /** Waits, within bounds; fails with `what`. */
  until(holds: () => boolean, what: string): Promise<void>;
}
