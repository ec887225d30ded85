import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterSettings, LocalCluster, LocalKafkaKind } from "./backend.js";
import { startInDocker, whyNoDocker } from "./docker.js";
import { ensureJars, jarSource, whyNoJars } from "./jar-cache.js";
import { findJava } from "./java.js";
import { startJvmCluster } from "./jvm-cluster.js";
import { KAFKA_JARS, KAFKA_VERSION } from "./kafka-jars.js";
import { awaitCluster } from "./readiness.js";

const EXISTING_TIMEOUT_MS = 5_000;

export interface KafkaRequest {
  readonly brokers: 1 | 3;
  readonly kinds: readonly LocalKafkaKind[];
}

interface FoundKafka {
  readonly kind: LocalKafkaKind;
  start(settings: ClusterSettings): Promise<LocalCluster>;
}

export interface KafkaSearch {
  readonly found: FoundKafka | undefined;
  /** One for each kind that was refused before, or instead of, `found`; each says what to do. */
  readonly reasons: readonly string[];
}

type Finder = (brokers: 1 | 3, env: NodeJS.ProcessEnv) => Promise<FoundKafka | string>;

// In the order in which they are tried: what somebody runs on purpose, what is isolated best, what works anywhere.
const FINDERS: readonly (readonly [LocalKafkaKind, Finder])[] = [
  ["existing", findExisting],
  ["docker", findDocker],
  ["jvm", findJvm],
];

/** Looks for a way to have a real Kafka, without starting anything. */
export async function findKafka({ brokers, kinds }: KafkaRequest, env: NodeJS.ProcessEnv): Promise<KafkaSearch> {
  const reasons: string[] = [];
  for (const [kind, find] of FINDERS) {
    if (!kinds.includes(kind)) continue;
    const answer = await find(brokers, env);
    if (typeof answer !== "string") return { found: answer, reasons };
    reasons.push(`${kind}: ${answer}`);
  }
  return { found: undefined, reasons };
}

async function findExisting(brokers: 1 | 3, env: NodeJS.ProcessEnv): Promise<FoundKafka | string> {
  const servers = env["KAFKA_BOOTSTRAP_SERVERS"];
  if (!servers) return "KAFKA_BOOTSTRAP_SERVERS is not set. Set it to the address of a running cluster";
  const wait = { what: "The cluster of KAFKA_BOOTSTRAP_SERVERS answers", timeoutMs: EXISTING_TIMEOUT_MS };
  const layout = await awaitCluster(servers, () => true, wait).catch(() => undefined);
  if (layout === undefined) return `KAFKA_BOOTSTRAP_SERVERS is ${servers}, where no broker answers`;
  if (layout.brokers.length < brokers) {
    return `KAFKA_BOOTSTRAP_SERVERS is ${servers}, with ${layout.brokers.length} brokers where ${brokers} are wanted`;
  }
  return {
    kind: "existing",
    start: async () => ({
      kind: "existing",
      description: `the cluster of KAFKA_BOOTSTRAP_SERVERS at ${servers}, brokers: ${layout.brokers.length}`,
      brokers: servers,
      nodes: [],
      stop: async () => undefined,
    }),
  };
}

async function findDocker(brokers: 1 | 3): Promise<FoundKafka | string> {
  return (await whyNoDocker(brokers)) ?? { kind: "docker", start: startInDocker };
}

async function findJvm(_brokers: 1 | 3, env: NodeJS.ProcessEnv): Promise<FoundKafka | string> {
  const java = await findJava(env);
  if (java.command === undefined) return java.reason;
  const jvm = `JVM ${java.version}`;
  const home = env["KAFKA_HOME"];
  if (home) {
    const libraries = join(home, "libs");
    const files = await readdir(libraries).catch((): readonly string[] => []);
    const broker = files.find((file) => /^kafka_2\.\d+-\d[\d.]*\.jar$/.test(file));
    if (broker === undefined) return `KAFKA_HOME is ${home}, which has no libs/kafka_2.*.jar. Correct or unset it`;
    const kafka = { java: java.command, classPath: [join(libraries, "*")], description: `${broker} on ${jvm}` };
    return { kind: "jvm", start: (settings) => startJvmCluster(kafka, settings) };
  }
  const source = jarSource(env);
  const refused = await whyNoJars(source, KAFKA_JARS);
  if (refused !== undefined) return refused;
  return {
    kind: "jvm",
    start: async (settings) => {
      const classPath = await ensureJars(source, KAFKA_JARS, (line) => process.stderr.write(`millrace: ${line}\n`));
      const kafka = { java: java.command, classPath, description: `Apache Kafka ${KAFKA_VERSION} on ${jvm}` };
      return startJvmCluster(kafka, settings);
    },
  };
}
