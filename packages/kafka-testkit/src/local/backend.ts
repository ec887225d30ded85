/** One process of a cluster that `LocalKafka` runs; calls on the same broker wait for each other. */
export interface LocalBroker {
  /** Counted from 1; also the broker's id in Kafka. */
  readonly id: number;
  /** `host:port`. */
  readonly address: string;
  /** The JVM's process id, undefined while it is down. */
  readonly pid: number | undefined;
  /** Ends it as a crash does, by SIGKILL; done when it is gone. */
  kill(): Promise<void>;
  /** Shuts it down in order: it hands its partitions over first; SIGKILL when that takes more than 20 s. */
  stop(): Promise<void>;
  /** Starts it again on the same port and the same data; done when it serves requests. */
  start(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
  /** Freezes it by SIGSTOP: connections stay open and nothing is answered. */
  pause(): Promise<void>;
  /** Lets a paused one go on. */
  resume(): Promise<void>;
}

/**
 * - `existing`: the cluster that `KAFKA_BOOTSTRAP_SERVERS` names.
 * - `docker`: one broker in a container.
 * - `jvm`: Apache Kafka's jars on a JVM of this machine; the only kind with brokers to stop and kill.
 */
export type LocalKafkaKind = "existing" | "docker" | "jvm";

export interface LocalKafkaOptions {
  /** Default 1. Each one is broker and controller at once. */
  readonly brokers?: 1 | 3;
  /**
   * Broker properties to add or replace, for example `{ "num.partitions": "12" }`; not for `existing`. In a JVM `listeners`
   * and `advertised.listeners` come beside those there are; containers keep their own.
   */
  readonly properties?: Readonly<Record<string, string>>;
  /** Called with each line the brokers print (warnings and errors), and with why a kind was not used. */
  readonly log?: (line: string) => void;
  /** From which level on brokers in a JVM print; default `"WARN"`. */
  readonly logLevel?: "WARN" | "INFO";
  /** The kinds to consider; default all three. The order is always `existing`, `docker`, `jvm`. */
  readonly kinds?: readonly LocalKafkaKind[];
}

/** What one kind has to offer. */
export interface LocalCluster {
  readonly kind: LocalKafkaKind;
  readonly description: string;
  readonly brokers: string;
  /** Empty where the brokers are not ours to control. */
  readonly nodes: readonly LocalBroker[];
  /** Which of the nodes leads the controllers now, if they have elected one; absent where the brokers are not ours. */
  controllerId?(): Promise<number | undefined>;
  stop(): Promise<void>;
}

export interface ClusterSettings {
  readonly brokers: 1 | 3;
  readonly properties: Readonly<Record<string, string>>;
  readonly logLevel: "WARN" | "INFO";
  readonly log: (line: string) => void;
}
