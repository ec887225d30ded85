import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { KafkaTestkitError } from "../errors.js";
import type { ClusterSettings, LocalCluster } from "./backend.js";
import { serverProperties, type NodePorts } from "./broker-properties.js";
import { freePorts } from "./free-ports.js";
import { Guardian, type GuardedProcess } from "./guardian.js";
import { JvmBroker } from "./jvm-broker.js";
import { quorumLeader } from "./quorum-state.js";

const PORT_ATTEMPTS = 3;

export interface KafkaInstallation {
  readonly java: string;
  /** Jars, or a directory's name that ends in `/*`. */
  readonly classPath: readonly string[];
  readonly description: string;
}

/** Starts Apache Kafka in JVMs; `START_FAILED` with the brokers' last lines when they do not come up. */
export async function startJvmCluster(kafka: KafkaInstallation, settings: ClusterSettings): Promise<LocalCluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(kafka, settings);
    } catch (error) {
      // 1. a port was found free; 2. another process took it; 3. so the broker could not: other ports will do.
      if (attempt === PORT_ATTEMPTS || !/address already in use/i.test(String(error))) throw error;
      settings.log(`a port was taken meanwhile, attempt ${attempt + 1} of ${PORT_ATTEMPTS}`);
    }
  }
}

async function startOnce(kafka: KafkaInstallation, settings: ClusterSettings): Promise<LocalCluster> {
  const found = await freePorts(settings.brokers * 2);
  const guardian = await Guardian.start(settings.log);
  try {
    const ports = pairsOf(found);
    const clusterId = newClusterId();
    const nodes = await Promise.all(
      ports.map((_, index) => makeNode({ kafka, guardian, id: index + 1, ports, clusterId, settings })),
    );
    await Promise.all(nodes.map((node) => node.startWith(settings.brokers)));
    return {
      kind: "jvm",
      description: `${kafka.description}, ${settings.brokers === 1 ? "1 broker" : `${settings.brokers} brokers`}`,
      brokers: nodes.map(({ address }) => address).join(","),
      nodes,
      controllerId: async () => {
        // Both a node that is down and the others, for a while, still say what they knew last.
        const up = nodes.filter(({ pid }) => pid !== undefined).map(({ id }) => id);
        const leader = await quorumLeader(up.map((id) => dataOf(guardian.directory, id)));
        return up.find((id) => id === leader);
      },
      stop: () => guardian.close(),
    };
  } catch (error) {
    await guardian.close();
    throw error;
  }
}

interface NodePlan {
  readonly kafka: KafkaInstallation;
  readonly guardian: Guardian;
  readonly id: number;
  readonly ports: readonly NodePorts[];
  readonly clusterId: string;
  readonly settings: ClusterSettings;
}

async function makeNode({ kafka, guardian, id, ports, clusterId, settings }: NodePlan): Promise<JvmBroker> {
  const directory = homeOf(guardian.directory, id);
  const temporary = join(directory, "tmp");
  await mkdir(temporary, { recursive: true });
  const config = join(directory, "server.properties");
  await writeFile(config, serverProperties(id, ports, dataOf(guardian.directory, id), settings.properties));
  const run = (name: string, mainClass: string, args: readonly string[]): Promise<GuardedProcess> =>
    guardian.spawn(name, kafka.java, [...jvmArguments(kafka, temporary, settings.logLevel), mainClass, ...args]);

  const format = await run(`format ${id}`, "kafka.tools.StorageTool", ["format", "-t", clusterId, "-c", config]);
  const { succeeded, how } = await format.exited();
  if (!succeeded) {
    const message = `Kafka's storage cannot be formatted (${how}). Last lines:\n${format.lastLines()}`;
    throw new KafkaTestkitError("START_FAILED", message);
  }
  const address = `127.0.0.1:${ports[id - 1]?.broker}`;
  return new JvmBroker(id, address, () => run(`broker ${id}`, "kafka.Kafka", [config]));
}

const homeOf = (root: string, id: number): string => join(root, `node-${id}`);
const dataOf = (root: string, id: number): string => join(homeOf(root, id), "data");

function jvmArguments(
  kafka: KafkaInstallation,
  temporary: string,
  logLevel: ClusterSettings["logLevel"],
): readonly string[] {
  return [
    "-Xmx512m",
    // A broker of a test lives for seconds: the cheap collector and the quick compiler halve its start.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    // Compression libraries unpack themselves here, and hsperfdata would stay behind after a SIGKILL.
    `-Djava.io.tmpdir=${temporary}`,
    "-XX:-UsePerfData",
    `-Dlog4j2.level=${logLevel}`,
    "-cp",
    kafka.classPath.join(delimiter),
  ];
}

function pairsOf(ports: readonly number[]): readonly NodePorts[] {
  const half = ports.length / 2;
  return ports.slice(0, half).map((broker, index) => ({ broker, controller: ports[half + index] ?? 0 }));
}

/** 16 bytes in Kafka's spelling; a first bit of 0, because the tool would take a leading "-" for an option. */
function newClusterId(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  return bytes.toString("base64url");
}
