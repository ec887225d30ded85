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

export function requestFailed(cause: unknown): KafkaTestkitError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new KafkaTestkitError("REQUEST_FAILED", `The Kafka cluster refused the request: ${text}`, cause);
}

function toAddress({ id, host, port }: rdkafka.BrokerMetadata): BrokerAddress {
  return { id, address: `${host}:${port}` };
}
