import { once } from "node:events";
import { KafkaTestkitError } from "../errors.js";
import { forkModule, keepingAlive } from "../fork-module.js";
import { startMockCluster } from "../rdkafka.js";
import type { EmbeddedProcessMessage } from "./embedded-process.js";

export interface EmbeddedKafkaOptions {
  /** How many brokers the cluster has; default 1. */
  readonly brokers?: number;
  /**
   * Where the cluster lives; default `"this"`, the calling process. In a `"child"` it outlives any client, can be killed
   * as a whole, and ends by itself when the process that started it dies.
   */
  readonly process?: "this" | "child";
}

interface Cluster {
  readonly brokers: string;
  close(): Promise<void>;
  kill(): Promise<void>;
}

/**
 * librdkafka's mock cluster: a Kafka in memory that needs neither a JVM nor Docker and starts in milliseconds.
 *
 * - Topics appear when they are first used, with 4 partitions, which nothing can change; there is no `createTopic`.
 * - A partition keeps its newest 5 MB or 100 000 records, whichever is less.
 * - A group's first member waits 3 seconds for others to join.
 * - It is not faithful where exactness matters: aborted transactions are visible, a second transactional producer does not
 *   fence the first, and an empty key or value comes back as `null`. Test exactly-once against `LocalKafka`.
 */
export class EmbeddedKafka implements AsyncDisposable {
  /** What to give a client as its `bootstrap.servers`. */
  readonly brokers: string;
  readonly #cluster: Cluster;
  #stopped: Promise<void> | undefined;

  private constructor(cluster: Cluster) {
    this.brokers = cluster.brokers;
    this.#cluster = cluster;
  }

  /** Starts a cluster; fails with `START_FAILED` when the child process does. */
  static async start(options: EmbeddedKafkaOptions = {}): Promise<EmbeddedKafka> {
    const brokers = options.brokers ?? 1;
    if (!Number.isInteger(brokers) || brokers < 1) {
      throw new RangeError(`EmbeddedKafka needs a whole number of brokers, 1 or more, not ${brokers}.`);
    }
    return new EmbeddedKafka(options.process === "child" ? await startInChild(brokers) : await startHere(brokers));
  }

  /** Ends the cluster and forgets all it held; does nothing when it has ended. */
  stop(): Promise<void> {
    this.#stopped ??= this.#cluster.close();
    return this.#stopped;
  }

  /** Kills the child process, as a crash of all brokers at once; `NOT_SUPPORTED` without `process: "child"`. */
  kill(): Promise<void> {
    return this.#cluster.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function startHere(brokers: number): Promise<Cluster> {
  const cluster = await startMockCluster(brokers);
  return {
    brokers: cluster.brokers.map(({ address }) => address).join(","),
    close: () => cluster.close(),
    kill: async () => {
      throw new KafkaTestkitError(
        "NOT_SUPPORTED",
        'An EmbeddedKafka in the calling process cannot be killed; start it with { process: "child" }.',
      );
    },
  };
}

async function startInChild(brokers: number): Promise<Cluster> {
  const child = forkModule(import.meta.url, "embedded-process");
  const exited = once(child, "exit");
  const answered = once(child, "message") as Promise<[EmbeddedProcessMessage]>;
  child.send({ brokers });
  const [message] = await keepingAlive(Promise.race([answered, exited.then((): [undefined] => [undefined])]));
  if (message === undefined) {
    throw new KafkaTestkitError("START_FAILED", "The process of the EmbeddedKafka ended before it was ready.");
  }
  if ("error" in message) {
    child.disconnect();
    throw new KafkaTestkitError("START_FAILED", `The EmbeddedKafka did not start: ${message.error}`);
  }
  return {
    brokers: message.brokers,
    close: async () => {
      if (child.connected) child.disconnect();
      await keepingAlive(exited);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await keepingAlive(exited);
    },
  };
}
