import Kafka from "node-rdkafka";

export interface MockCluster {
  /** For `bootstrap.servers`. */
  readonly brokers: string;
  stop(): Promise<void>;
}

/** Starts librdkafka's in-process mock cluster; it lives as long as the producer that asked for it. */
export async function startMockCluster(): Promise<MockCluster> {
  const owner = new Kafka.Producer({ "test.mock.num.brokers": 1 } as never);
  const metadata = await new Promise<Kafka.Metadata>((resolve, reject) => {
    owner.connect({ allTopics: false, timeout: 5_000 }, (error, found) =>
      error === null ? resolve(found) : reject(error),
    );
  });
  return {
    brokers: metadata.brokers.map(({ host, port }) => `${host}:${port}`).join(","),
    stop: () => new Promise((resolve) => owner.disconnect(100, () => resolve())),
  };
}
