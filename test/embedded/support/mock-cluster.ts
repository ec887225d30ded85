import { tested } from "./driver.js";

interface Metadata {
  readonly brokers: readonly { readonly host: string; readonly port: number }[];
}

export interface MockCluster {
  /** For `bootstrap.servers`. */
  readonly brokers: string;
  stop(): Promise<void>;
}

/** Starts librdkafka's in-process mock cluster; it lives as long as the producer that asked for it. */
export async function startMockCluster(): Promise<MockCluster> {
  const owner = tested.createProducer({ "test.mock.num.brokers": 1 }, {});
  const metadata = await new Promise<Metadata>((resolve, reject) => {
    owner.connect({ allTopics: false, timeout: 5_000 }, (error, found) =>
      error === null ? resolve(found as Metadata) : reject(error),
    );
  });
  return {
    brokers: metadata.brokers.map(({ host, port }) => `${host}:${port}`).join(","),
    stop: () => new Promise((resolve) => owner.disconnect(100, () => resolve())),
  };
}
