import { setTimeout as delay } from "node:timers/promises";
import { AdminClient } from "@millrace/kafka";
import { KafkaTestkitError } from "../errors.js";
import { type ClusterLayout, requestFailed } from "../rdkafka.js";
import type { LocalBroker, LocalCluster, LocalKafkaKind, LocalKafkaOptions } from "./backend.js";
import { findKafka, type KafkaRequest } from "./find-kafka.js";
import { awaitCluster } from "./readiness.js";

const TOPIC_TIMEOUT_MS = 15_000;
/** A broker that was killed is let in again after its session, and then has to catch up. */
const SYNC_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

export interface CreateTopicOptions {
  /** Default: the brokers' `num.partitions`, 4 where this package started them. */
  readonly partitions?: number;
  /** Default: the brokers' `default.replication.factor`, the number of brokers where this package started them. */
  readonly replicationFactor?: number;
  /** Topic settings, for example `{ "cleanup.policy": "compact" }`. */
  readonly configs?: Readonly<Record<string, string>>;
}

export type LocalKafkaSearch =
  | { readonly available: true; readonly kind: LocalKafkaKind }
  | { readonly available: false; readonly reasons: readonly string[] };

/**
 * A real Apache Kafka for tests, the first of these that works:
 *
 * 1. the running cluster that `KAFKA_BOOTSTRAP_SERVERS` names, which is used and never stopped;
 * 2. a container, where a Docker engine answers (one broker only);
 * 3. a JVM of version 17 or newer, from `JAVA_HOME` or `PATH`, with the jars of `KAFKA_HOME/libs`, or else with jars
 *    downloaded once (45 MB) from `MILLRACE_MAVEN_REPOSITORY`, default Maven Central, into `MILLRACE_CACHE`, default
 *    `~/.cache/millrace`; they are checked against the SHA-256 sums this package carries.
 *
 * In a JVM, brokers listen on free ports of 127.0.0.1 and keep their data in a temporary directory; a small process guards
 * both and removes them when `stop` is called or the process that called `start` dies.
 */
export class LocalKafka implements AsyncDisposable {
  readonly kind: LocalKafkaKind;
  /** One line: what runs, in which version, with how many brokers. */
  readonly description: string;
  /** What to give a client as its `bootstrap.servers`. */
  readonly brokers: string;
  readonly #cluster: LocalCluster;
  #stopped: Promise<void> | undefined;

  private constructor(cluster: LocalCluster) {
    this.kind = cluster.kind;
    this.description = cluster.description;
    this.brokers = cluster.brokers;
    this.#cluster = cluster;
  }

  /** Which kind `start` would use now, or why there is none; starts and downloads nothing. */
  static async find(options: Pick<LocalKafkaOptions, "brokers" | "kinds"> = {}): Promise<LocalKafkaSearch> {
    const { found, reasons } = await findKafka(requestOf(options), process.env);
    return found === undefined ? { available: false, reasons } : { available: true, kind: found.kind };
  }

  /**
   * Starts a cluster; done when a client's metadata request answers with all its brokers.
   * Fails with `NO_KAFKA` when there is no way to run one, `START_FAILED` when it did not come up, `DOWNLOAD_FAILED` or
   * `CHECKSUM_MISMATCH` when its jars could not be had.
   */
  static async start(options: LocalKafkaOptions = {}): Promise<LocalKafka> {
    const log = options.log ?? (() => undefined);
    const request = requestOf(options);
    const { found, reasons } = await findKafka(request, process.env);
    if (found === undefined) {
      const list = reasons.map((reason) => `\n- ${reason}`).join("");
      throw new KafkaTestkitError("NO_KAFKA", `No real Kafka can be run here; one of these must change:${list}`);
    }
    for (const reason of reasons) log(`not used, ${reason}`);
    const { properties = {}, logLevel = "WARN" } = options;
    return new LocalKafka(await found.start({ brokers: request.brokers, properties, logLevel, log }));
  }

  /** Creates a topic; done when every partition has a leader. `REQUEST_FAILED` when it exists or was refused. */
  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<void> {
    const { configs, ...layout } = options;
    await this.#administer((admin) => admin.createTopic(name, { ...layout, ...(configs && { config: configs }) }));
    await this.#awaitTopic(`Topic ${name} has leaders`, (layout) => {
      const leaders = leadersOf(layout, name);
      return leaders.length > 0 && leaders.every((leader) => leader >= 0);
    });
  }

  /** Makes a topic grow to `total` partitions; done when every one has a leader. `REQUEST_FAILED` when it was refused. */
  async addPartitions(name: string, total: number): Promise<void> {
    await this.#administer((admin) => admin.growTopic(name, total));
    await this.#awaitTopic(`Topic ${name} has ${total} partitions`, (layout) => {
      const leaders = leadersOf(layout, name);
      return leaders.length === total && leaders.every((leader) => leader >= 0);
    });
  }

  /** Deletes a topic; done when it is no longer listed. A client that goes on using it may bring it back. */
  async deleteTopic(name: string): Promise<void> {
    await this.#administer((admin) => admin.deleteTopic(name));
    await this.#awaitTopic(`Topic ${name} is gone`, (layout) => leadersOf(layout, name).length === 0);
  }

  /** Broker `id`, counted from 1; `NOT_SUPPORTED` unless `kind` is `"jvm"`. */
  broker(id: number): LocalBroker {
    const { kind, nodes } = this.#cluster;
    const found = nodes.find((node) => node.id === id);
    if (found !== undefined) return found;
    if (nodes.length > 0) throw new RangeError(`There is no broker ${id}; they are counted from 1 to ${nodes.length}.`);
    throw new KafkaTestkitError(
      "NOT_SUPPORTED",
      `The brokers of a LocalKafka of kind "${kind}" are not ours to stop; start it with { kinds: ["jvm"] }.`,
    );
  }

  /** The broker that leads this partition now, waiting for one to be elected; `NOT_SUPPORTED` unless `kind` is `"jvm"`. */
  async leader(topic: string, partition: number): Promise<LocalBroker> {
    const wait = { what: `${topic}[${partition}] has a leader`, timeoutMs: TOPIC_TIMEOUT_MS };
    const leaderIn = (layout: ClusterLayout): number => leadersOf(layout, topic)[partition] ?? -1;
    const layout = await awaitCluster(this.brokers, (each) => leaderIn(each) >= 0, wait);
    return this.broker(leaderIn(layout));
  }

  /** The broker that leads the controllers now, waiting for one to be elected; `NOT_SUPPORTED` unless `kind` is `"jvm"`. */
  async controller(): Promise<LocalBroker> {
    for (const deadline = Date.now() + TOPIC_TIMEOUT_MS; ; ) {
      const id = await this.#cluster.controllerId?.();
      if (id !== undefined || this.#cluster.controllerId === undefined) return this.broker(id ?? 1);
      if (Date.now() > deadline) {
        throw new KafkaTestkitError("REQUEST_FAILED", `No controller was elected within ${TOPIC_TIMEOUT_MS} ms.`);
      }
      await delay(POLL_MS);
    }
  }

  /**
   * Done when all brokers are up and every partition of every topic has all its replicas in sync, so that the next broker
   * may go without a partition stopping; `REQUEST_FAILED` when it is not so after 30 s.
   */
  async awaitInSync(): Promise<void> {
    const wanted = this.#cluster.nodes.length;
    const wait = { what: "All replicas are in sync", timeoutMs: SYNC_TIMEOUT_MS };
    const inSync = ({ brokers, topics }: ClusterLayout): boolean =>
      brokers.length >= wanted && topics.every(({ outOfSync }) => outOfSync.every((missing) => missing === 0));
    await awaitCluster(this.brokers, inSync, wait);
  }

  /** Ends what `start` started, and removes its data; done when no process is left. Does nothing when it has ended. */
  stop(): Promise<void> {
    this.#stopped ??= this.#cluster.stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #administer(action: (admin: AdminClient) => Promise<void>): Promise<void> {
    await using admin = AdminClient.create({ kafka: { brokers: this.brokers }, timeoutMs: TOPIC_TIMEOUT_MS });
    try {
      await action(admin);
    } catch (error) {
      throw requestFailed(error);
    }
  }

  async #awaitTopic(what: string, accepts: (layout: ClusterLayout) => boolean): Promise<void> {
    // Each broker learns of a topic by itself, so each that is up is asked.
    const addresses = this.#cluster.nodes.filter(({ pid }) => pid !== undefined).map(({ address }) => address);
    const asked = addresses.length > 0 ? addresses : [this.brokers];
    await Promise.all(asked.map((address) => awaitCluster(address, accepts, { what, timeoutMs: TOPIC_TIMEOUT_MS })));
  }
}

function requestOf({ brokers = 1, kinds }: Pick<LocalKafkaOptions, "brokers" | "kinds">): KafkaRequest {
  return { brokers, kinds: kinds ?? ["existing", "docker", "jvm"] };
}

function leadersOf(layout: ClusterLayout, topic: string): readonly number[] {
  return layout.topics.find((candidate) => candidate.topic === topic)?.leaders ?? [];
}
