import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { KafkaTestkitError } from "../errors.js";
import { KAFKA_VERSION, type KafkaJar } from "./kafka-jars.js";

const DOWNLOADS_AT_ONCE = 4;
const ATTEMPTS = 3;
const DOWNLOAD_TIMEOUT_MS = 120_000;
const PROBE_TIMEOUT_MS = 5_000;
const MAVEN_CENTRAL = "https://repo1.maven.org/maven2";

export interface JarSource {
  readonly directory: string;
  readonly repository: string;
}

/** Where the jars are kept and where they come from: `MILLRACE_CACHE` and `MILLRACE_MAVEN_REPOSITORY`, else the defaults. */
export function jarSource(env: NodeJS.ProcessEnv): JarSource {
  const cache = env["MILLRACE_CACHE"] || join(homedir(), ".cache", "millrace");
  const repository = (env["MILLRACE_MAVEN_REPOSITORY"] || MAVEN_CENTRAL).replace(/\/+$/, "");
  return { directory: join(cache, `kafka-${KAFKA_VERSION}`), repository };
}

/** Why `ensureJars` cannot succeed, or undefined when every jar is there or the repository answers. */
export async function whyNoJars(source: JarSource, jars: readonly KafkaJar[]): Promise<string | undefined> {
  const present = await Promise.all(jars.map((jar) => exists(pathOf(source, jar))));
  const missing = jars.find((_, index) => present[index] === false);
  if (missing === undefined) return undefined;
  const url = `${source.repository}/${missing.path}`;
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return response.ok ? undefined : `${url} answers ${response.status}. ${WHAT_TO_DO}`;
  } catch (error) {
    return `${url} does not answer (${reasonOf(error)}). ${WHAT_TO_DO}`;
  }
}

/**
 * The paths of all `jars`, downloaded where they are missing or damaged; every one has the right SHA-256.
 * Two processes may do this at once: each writes beside the target and renames, so that a jar is there whole or not at all.
 * Fails with `DOWNLOAD_FAILED` or `CHECKSUM_MISMATCH`.
 */
export async function ensureJars(
  source: JarSource,
  jars: readonly KafkaJar[],
  progress: (line: string) => void,
): Promise<readonly string[]> {
  await makeDirectory(source.directory);
  const missing: KafkaJar[] = [];
  await eachAtOnce(jars, async (jar) => {
    if (!(await isWhole(pathOf(source, jar), jar))) missing.push(jar);
  });
  if (missing.length > 0) await downloadAll(source, missing, progress);
  return jars.map((jar) => pathOf(source, jar));
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const message = `Kafka's jars cannot be kept in ${path} (${reasonOf(cause)}). Set MILLRACE_CACHE to a writable directory.`;
    throw new KafkaTestkitError("DOWNLOAD_FAILED", message, cause);
  }
}

async function downloadAll(
  source: JarSource,
  jars: readonly KafkaJar[],
  progress: (line: string) => void,
): Promise<void> {
  const total = jars.length;
  progress(`downloading Apache Kafka ${KAFKA_VERSION}: ${total} jars from ${source.repository} to ${source.directory}`);
  let done = 0;
  let bytes = 0;
  await eachAtOnce(jars, async (jar) => {
    const content = await download(source, jar);
    const target = pathOf(source, jar);
    const partial = `${target}.${randomUUID()}.part`;
    try {
      await writeFile(partial, content);
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
    done += 1;
    bytes += content.length;
    const quarter = Math.ceil(total / 4);
    if (done % quarter === 0 || done === total) progress(`${done} of ${total} jars, ${(bytes / 1e6).toFixed(1)} MB`);
  });
}

async function download(source: JarSource, jar: KafkaJar): Promise<Buffer> {
  const url = `${source.repository}/${jar.path}`;
  const response = await fetchOften(url);
  if (!response.ok) {
    throw new KafkaTestkitError("DOWNLOAD_FAILED", `${url} answers ${response.status}. ${WHAT_TO_DO}`);
  }
  const found = sha256(response.body);
  if (found !== jar.sha256) {
    throw new KafkaTestkitError(
      "CHECKSUM_MISMATCH",
      `${url} is not the expected file: its SHA-256 is ${found} instead of ${jar.sha256}. It was not kept. ${WHAT_TO_DO}`,
    );
  }
  return response.body;
}

async function fetchOften(url: string): Promise<{ ok: boolean; status: number; body: Buffer }> {
  let failure: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
      const body = Buffer.from(await response.arrayBuffer());
      return { ok: response.ok, status: response.status, body };
    } catch (error) {
      failure = error;
    }
  }
  throw new KafkaTestkitError(
    "DOWNLOAD_FAILED",
    `${url} does not answer (${reasonOf(failure)}). ${WHAT_TO_DO}`,
    failure,
  );
}

const WHAT_TO_DO =
  "Set MILLRACE_MAVEN_REPOSITORY to a Maven repository that mirrors Maven Central, " +
  "or KAFKA_HOME to the directory of an unpacked Apache Kafka.";

async function eachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: DOWNLOADS_AT_ONCE }, worker));
}

async function isWhole(path: string, jar: KafkaJar): Promise<boolean> {
  const content = await readFile(path).catch(() => undefined);
  return content !== undefined && sha256(content) === jar.sha256;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function pathOf(source: JarSource, jar: KafkaJar): string {
  return join(source.directory, basename(jar.path));
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says "fetch failed" and keeps the reason in its cause.
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}
