/** The one file of this package that knows node-rdkafka. Every call closes the client it opened. */
import rdkafka from "node-rdkafka";
import { KafkaTestkitError } from "./errors.js";

interface BrokerAddress {
  readonly id: number;
  /** `host:port`, as the cluster advertises it. */
  readonly address: string;
}

interface TopicLayout {
  readonly topic: string;
  /** The broker that leads each partition, or -1 where none does. */
  readonly leaders: readonly number[];
  /** How many replicas each partition has beyond those in sync. */
  readonly outOfSync: readonly number[];
}

export interface ClusterLayout {
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly TopicLayout[];
}

export interface MockCluster {
  readonly brokers: readonly BrokerAddress[];
  close(): Promise<void>;
}

export interface TopicRequest {
  readonly topic: string;
  /** -1 leaves it to the brokers' `num.partitions`. */
  readonly partitions: number;
  /** -1 leaves it to the brokers' `default.replication.factor`. */
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
}

// Level 0: librdkafka prints to stderr otherwise, and a broker that is down is nothing unusual in here.
const QUIET = { log_level: 0 } as const;

/** Starts librdkafka's mock cluster; it lives in this process, as long as the producer that owns it. */
export async function startMockCluster(brokers: number): Promise<MockCluster> {
  // The property is one of librdkafka's hidden ones, which node-rdkafka's types leave out.
  const properties = { ...QUIET, "test.mock.num.brokers": brokers };
  const client = new rdkafka.Producer(properties);
  const metadata = await connect(client, 10_000);
  return { brokers: metadata.brokers.map(toAddress), close: () => disconnect(client) };
}

/** Asks the brokers at `bootstrap` who is there; fails within about `timeoutMs` when none answers. */
export async function describeCluster(bootstrap: string, timeoutMs: number): Promise<ClusterLayout> {
  const client = new rdkafka.Producer({ ...QUIET, "bootstrap.servers": bootstrap });
  try {
    const metadata = await connect(client, timeoutMs);
    return {
      brokers: metadata.brokers.map(toAddress),
      topics: metadata.topics.map(({ name, partitions }) => ({
        topic: name,
        leaders: partitions.map((p) => p.leader),
        outOfSync: partitions.map(({ replicas, isrs }) => replicas.length - isrs.length),
      })),
    };
  } finally {
    await disconnect(client);
  }
}

/** Creates a topic; done when the controller has accepted it, which may be before every broker knows it. */
export async function createTopic(bootstrap: string, request: TopicRequest, timeoutMs: number): Promise<void> {
  const topic = {
    topic: request.topic,
    num_partitions: request.partitions,
    replication_factor: request.replicationFactor,
    config: { ...request.configs },
  };
  await administer(bootstrap, (admin, done) => admin.createTopic(topic, timeoutMs, done));
}

/** Makes a topic grow to so many partitions; done when the controller has accepted it. */
export async function addPartitions(bootstrap: string, topic: string, total: number, timeoutMs: number): Promise<void> {
  await administer(bootstrap, (admin, done) => admin.createPartitions(topic, total, timeoutMs, done));
}

/** Deletes a topic; done when the controller has accepted it. */
export async function deleteTopic(bootstrap: string, topic: string, timeoutMs: number): Promise<void> {
  await administer(bootstrap, (admin, done) => admin.deleteTopic(topic, timeoutMs, done));
}

async function administer(
  bootstrap: string,
  action: (admin: rdkafka.IAdminClient, done: (error: unknown) => void) => void,
): Promise<void> {
  const admin = rdkafka.AdminClient.create({ ...QUIET, "bootstrap.servers": bootstrap });
  try {
    await new Promise<void>((resolve, reject) =>
      action(admin, (error) => (isError(error) ? reject(requestFailed(error)) : resolve())),
    );
  } finally {
    admin.disconnect();
  }
}

function connect(client: rdkafka.Producer, timeoutMs: number): Promise<rdkafka.Metadata> {
  return new Promise((resolve, reject) => {
    // A connection refused is reported here as well; without a listener it would be thrown.
    client.on("event.error", () => undefined);
    client.connect({ allTopics: true, timeout: timeoutMs }, (error, metadata) =>
      isError(error) ? reject(requestFailed(error)) : resolve(metadata),
    );
  });
}

function disconnect(client: rdkafka.Producer): Promise<void> {
  if (!client.isConnected()) return Promise.resolve();
  return new Promise((resolve) => client.disconnect(() => resolve()));
}

// node-rdkafka types a callback's error as always there; on success it is null or undefined.
function isError(error: unknown): boolean {
  return error !== null && error !== undefined;
}

function requestFailed(cause: unknown): KafkaTestkitError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new KafkaTestkitError("REQUEST_FAILED", `The Kafka cluster refused the request: ${text}`, cause);
}

function toAddress({ id, host, port }: rdkafka.BrokerMetadata): BrokerAddress {
  return { id, address: `${host}:${port}` };
}
