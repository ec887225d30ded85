import { execFile } from "node:child_process";
import { join } from "node:path";

const NEEDED_VERSION = 17;
const VERSION_TIMEOUT_MS = 20_000;

export type JavaSearch =
  | { readonly command: string; readonly version: string }
  | { readonly command?: undefined; readonly reason: string };

/** The first JVM of version 17 or newer: that of `JAVA_HOME`, else the `java` on `PATH`. */
export async function findJava(env: NodeJS.ProcessEnv): Promise<JavaSearch> {
  const reasons: string[] = [];
  const home = env["JAVA_HOME"];
  if (home) {
    const found = await tryJava(join(home, "bin", "java"), env);
    if (found.command !== undefined) return found;
    reasons.push(`JAVA_HOME: ${found.reason}`);
  }
  const found = await tryJava("java", env);
  if (found.command !== undefined) return found;
  reasons.push(`PATH: ${found.reason}`);
  return {
    reason: `No JVM of version ${NEEDED_VERSION} or newer (${reasons.join("; ")}). Install one or set JAVA_HOME.`,
  };
}

async function tryJava(command: string, env: NodeJS.ProcessEnv): Promise<JavaSearch> {
  const printed = await printedVersion(command, env);
  if (printed === undefined) return { reason: `${command} does not run` };
  const version = /version "([^"]+)"/.exec(printed)?.[1];
  // 17.0.15, 21-ea, and 1.8.0_402 before the numbers were changed.
  const major = Number(/^(?:1\.)?(\d+)/.exec(version ?? "")?.[1] ?? 0);
  if (version === undefined || major < NEEDED_VERSION)
    return { reason: `${command} is version ${version ?? "unknown"}` };
  return { command, version };
}

function printedVersion(command: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, ["-version"], { env, timeout: VERSION_TIMEOUT_MS }, (error, stdout, stderr) =>
      resolve(error === null ? stderr + stdout : undefined),
    );
  });
}
