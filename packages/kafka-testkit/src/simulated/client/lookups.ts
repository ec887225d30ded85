import type {
  ClusterMetadata,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "@millrace/kafka";
import type { ClientHost } from "./client-host.js";
import type { Group } from "../broker/group.js";
import type { Isolation } from "../broker/log.js";
import { CODE } from "../simulation.js";
import { keyOf } from "../broker/topics.js";

/** How long a client waits before it asks again for what is about to change. */
const ASK_AGAIN_MS = 100;

export interface LookupsOptions {
  readonly host: ClientHost;
  readonly group: Group;
  readonly isolation: Isolation;
  /** Throws where the client is not connected, or closed. */
  readonly requireOpen: (call: string) => void;
  readonly isDead: () => boolean;
}

/** What a consumer asks brokers for beside what it reads. */
export class Lookups {
  readonly #options: LookupsOptions;

  constructor(options: LookupsOptions) {
    this.#options = options;
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    const { group, isolation } = this.#options;
    const { offsets, broker } = group;
    const stable = (each: TopicPartition): boolean => isolation === "read_uncommitted" || offsets.isStable(each);
    return this.#ask("read committed positions", timeoutMs, broker, () =>
      partitions.every(stable) ? partitions.flatMap((each) => offsets.get(each) ?? []) : undefined,
    );
  }

  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    const { host, isolation } = this.#options;
    const { topics, simulation } = host;
    return this.#ask(`read the watermarks of ${keyOf(partition)}`, timeoutMs, topics.leaderOf(partition), () => {
      const log = topics.log(partition);
      if (log) return { low: log.low, high: log.end(isolation) };
      throw simulation.error("CLIENT_FAILED", `There is no partition ${keyOf(partition)}.`, CODE.unknownPartition);
    });
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    const { host, isolation } = this.#options;
    const { topics } = host;
    const leader = topics.leaderOf(times[0] ?? { topic: "", partition: 0 });
    return this.#ask("look offsets up by time", timeoutMs, leader, () =>
      times.flatMap(({ topic, partition, timestamp }) => {
        const offset = topics.log({ topic, partition })?.firstSince(timestamp, isolation);
        return offset === undefined ? [] : { topic, partition, offset };
      }),
    );
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    const { topics } = this.#options.host;
    return this.#ask("describe the cluster", timeoutMs, undefined, () => topics.describe(topic));
  }

  /** Asks the broker, again and again while it has no answer yet. */
  #ask<T>(what: string, timeoutMs: number, broker: number | undefined, answer: () => T | undefined): Promise<T> {
    const { requireOpen, isDead } = this.#options;
    const { simulation } = this.#options.host;
    return new Promise((resolve, reject) => {
      requireOpen(what);
      let late = false;
      const timer = simulation.schedule(timeoutMs, () => {
        late = true;
        reject(simulation.error("CLIENT_FAILED", `Could not ${what} within ${timeoutMs} ms.`, CODE.timedOut));
      });
      const arrive = (): void => {
        if (isDead() || late) return;
        try {
          const answered = answer();
          if (answered === undefined) return void simulation.schedule(ASK_AGAIN_MS, arrive);
          resolve(answered);
        } catch (error) {
          reject(error);
        }
        timer.cancel();
      };
      simulation.request(simulation.faults.latencyMs, arrive, broker);
    });
  }
}
