/**
 * Child process that owns the JVMs and the data directory of one `LocalKafka`, so that neither outlives it:
 *
 * 1. the parent stops, or dies in whatever way, SIGKILL included;
 * 2. the channel between the two closes;
 * 3. so this process kills every JVM, waits for their ends, removes the directory and exits.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { GuardianEvent, GuardianRequest } from "./guardian-protocol.js";

const running = new Map<number, { readonly child: ChildProcess; readonly ended: Promise<unknown> }>();

function send(event: GuardianEvent): void {
  // The callback takes the error of a channel that closes while the message is on its way.
  if (process.connected) process.send?.(event, undefined, undefined, () => undefined);
}

function spawnProcess(id: number, command: string, args: readonly string[]): void {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  // "exit" comes without waiting for the pipes, "close" when all output has been read: that order keeps the last lines.
  const ended = once(child, "close").catch(() => undefined);
  running.set(id, { child, ended });
  child.once("spawn", () =>
    send(child.pid === undefined ? { kind: "done", id } : { kind: "done", id, pid: child.pid }),
  );
  child.once("error", (error) => {
    running.delete(id);
    send({ kind: "done", id, error: error.message });
  });
  child.once("close", (code, signal) => {
    running.delete(id);
    send({ kind: "exited", process: id, how: signal ?? `exit code ${code}`, succeeded: code === 0 });
  });
  forwardLines(id, child.stdout);
  forwardLines(id, child.stderr);
}

function forwardLines(id: number, output: Readable): void {
  createInterface({ input: output }).on("line", (line) => send({ kind: "line", process: id, line }));
}

async function cleanUp(directory: string): Promise<void> {
  for (const { child } of running.values()) child.kill("SIGKILL");
  await Promise.all([...running.values()].map(({ ended }) => ended));
  await rm(directory, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const closed = once(process, "disconnect");
  const directory = await mkdtemp(join(tmpdir(), "millrace-kafka-"));
  process.on("message", (request: GuardianRequest) => {
    if (request.kind === "spawn") return spawnProcess(request.id, request.command, request.args);
    running.get(request.process)?.child.kill(request.signal);
    send({ kind: "done", id: request.id });
  });
  send({ kind: "ready", directory });
  await closed;
  await cleanUp(directory);
  process.exit(0);
}

await main();
