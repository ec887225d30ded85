import type { ClusterSettings, LocalCluster } from "./backend.js";
import { testProperties } from "./broker-properties.js";

const IMAGE = "confluentinc/cp-kafka:7.9.1";
const BROKER_PORT = 9093;

/** Optional: it brings two hundred packages along. */
const loadTestcontainers = async (): Promise<Pick<typeof import("testcontainers"), "getContainerRuntimeClient">> => {
  await import("@testcontainers/kafka");
  return import("testcontainers");
};

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";

/** Why no container can be started, or undefined when a Docker engine answers. */
export async function whyNoDocker(
  brokers: number,
  load: typeof loadTestcontainers = loadTestcontainers,
): Promise<string | undefined> {
  if (brokers !== 1) return `One container is one broker, and ${brokers} are wanted`;
  try {
    const { getContainerRuntimeClient } = await load();
    await getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    if (isMissing(error)) return "Install testcontainers and @testcontainers/kafka to run it in a container";
    return `No Docker engine (${error instanceof Error ? error.message : String(error)}). Start one, or set DOCKER_HOST`;
  }
}

export async function startInDocker({ properties }: ClusterSettings): Promise<LocalCluster> {
  const { KafkaContainer } = await import("@testcontainers/kafka");
  const container = await new KafkaContainer(IMAGE)
    .withKraft()
    .withEnvironment(toEnvironment({ ...testProperties(1), ...properties }))
    .start();
  return {
    kind: "docker",
    description: `${IMAGE} in a container, 1 broker`,
    brokers: `${container.getHost()}:${container.getMappedPort(BROKER_PORT)}`,
    nodes: [],
    stop: async () => {
      await container.stop();
    },
  };
}

/** The image reads `num.partitions` from `KAFKA_NUM_PARTITIONS`; its escapes for `_` and `-` are `__` and `___`. */
export function toEnvironment(properties: Readonly<Record<string, string>>): Record<string, string> {
  const names = { _: "__", "-": "___", ".": "_" };
  const toName = (key: string): string =>
    `KAFKA_${key.replace(/[_.-]/g, (found) => names[found as keyof typeof names]).toUpperCase()}`;
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [toName(key), value]));
}
