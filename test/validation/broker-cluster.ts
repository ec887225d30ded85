import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type ClientProperties, type KafkaDriver, rdkafkaDriver } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import rdkafka from "node-rdkafka";
import type { Cluster, OtherProcess, OtherProcessOptions } from "./cluster.js";
import { Lab } from "./lab.js";

/** What of a LocalKafka the scenarios use. */
type SharedKafka = Pick<LocalKafka, "brokers" | "createTopic" | "broker">;

class BrokerCluster implements Cluster {
  readonly driver: KafkaDriver = rdkafkaDriver;
  readonly properties: ClientProperties;
  readonly #kafka: SharedKafka;

  constructor(kafka: SharedKafka) {
    this.#kafka = kafka;
    this.properties = { "bootstrap.servers": kafka.brokers };
  }

  now(): number {
    return performance.now();
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.#kafka.createTopic(topic, { partitions });
  }

  grow(topic: string, partitions: number): Promise<void> {
    const admin = rdkafka.AdminClient.create({ "bootstrap.servers": this.#kafka.brokers });
    return new Promise<void>((resolve, reject) => {
      admin.createPartitions(topic, partitions, (error) => {
        if (error) reject(new Error(error.message));
        else resolve();
      });
    }).finally(() => admin.disconnect());
  }

  async outage(meanwhile: () => Promise<void>): Promise<void> {
    const broker = this.#kafka.broker(1);
    await broker.stop();
    try {
      await meanwhile();
    } finally {
      await broker.start();
    }
  }

  async spawn(options: OtherProcessOptions): Promise<OtherProcess> {
    const child = fork(fileURLToPath(new URL("member-process.ts", import.meta.url)), [JSON.stringify(options)]);
    let held: readonly string[] = [];
    child.on("message", (message) => (held = message as readonly string[]));
    await Promise.race([once(child, "message"), failure(child)]);
    return {
      get held() {
        return held;
      },
      kill: () => void child.kill("SIGKILL"),
    };
  }
}

async function failure(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, "exit")) as [number | null];
  throw new Error(`The member's process ended with ${code} before it ran.`);
}

/** Runs a scenario on a real broker. */
export async function onBroker<T>(kafka: SharedKafka, prefix: string, scenario: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = new Lab(new BrokerCluster(kafka), prefix);
  try {
    // What is observed goes on while its clients close.
    return structuredClone(await scenario(lab));
  } finally {
    await lab.close();
  }
}
