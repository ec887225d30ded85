/** Where the demo runs: an embedded Kafka, or topics of its own on a cluster that is there. */
import { EmbeddedKafka } from "@millrace/kafka-testkit";
import rdkafka from "node-rdkafka";

const PARTITIONS = 4;
const TIMEOUT_MS = 10_000;

export interface Cluster {
  readonly brokers: string;
  readonly description: string;
  readonly topics: { readonly orders: string; readonly lines: string };
  readonly groupId: string;
  /** How soon a killed member may be replaced. */
  readonly sessionTimeoutMs: number;
  /** Stops what was started and deletes what was created. */
  close(): Promise<void>;
}

export const embeddedCluster = async (): Promise<Cluster> => {
  const kafka = await EmbeddedKafka.start({ process: "child" });
  return {
    brokers: kafka.brokers,
    description: `an embedded Kafka in a process of its own, at ${kafka.brokers}`,
    topics: { orders: "orders", lines: "order-lines" },
    groupId: "orders",
    // It knows no static members, so a killed one must be given up before the next one gets its partitions. No less than
    // this: a first member waits 3 s for others, and must not be given up meanwhile.
    sessionTimeoutMs: 4_000,
    close: () => kafka.stop(),
  };
};

export const existingCluster = async (brokers: string): Promise<Cluster> => {
  const run = `millrace-demo-${Date.now().toString(36)}-${process.pid}`;
  const topics = { orders: `${run}-orders`, lines: `${run}-order-lines` };
  const admin = rdkafka.AdminClient.create({ "bootstrap.servers": brokers, log_level: 0 });
  const create = (topic: string): Promise<void> =>
    new Promise((resolve, reject) => {
      // -1: as many replicas as the brokers' own default.
      const request = { topic, num_partitions: PARTITIONS, replication_factor: -1 };
      admin.createTopic(request, TIMEOUT_MS, (error) => {
        // Typed as always there; null or undefined on success.
        if ((error as unknown) === null || (error as unknown) === undefined) return resolve();
        reject(new Error(`Topic ${topic} could not be created at ${brokers}: ${error.message}. Check --brokers.`));
      });
    });
  // Whoever can create a topic can delete it, unless the cluster forbids deleting; then it stays.
  const remove = (topic: string): Promise<void> =>
    new Promise((resolve) => admin.deleteTopic(topic, TIMEOUT_MS, () => resolve()));
  const created: string[] = [];
  const close = async (): Promise<void> => {
    for (const topic of created) await remove(topic);
    admin.disconnect();
  };
  try {
    for (const topic of Object.values(topics)) {
      await create(topic);
      created.push(topic);
    }
  } catch (error) {
    await close();
    throw error;
  }
  // The least that brokers allow by default. A static member that comes back does not wait for it.
  return { brokers, description: `the cluster at ${brokers}`, topics, groupId: run, sessionTimeoutMs: 6_000, close };
};
