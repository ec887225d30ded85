import { fork, type ChildProcess } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Runs a module of this package as a child process with a channel to it. `from` is the caller's `import.meta.url`, `name`
 * the module beside it, without extension: the same call starts a `.ts` under a loader and the `.js` of a build.
 *
 * The child keeps no process alive: a process that forgets to stop it can still end, and the child notices by the
 * closed channel. It leads a process group of its own, so that a Ctrl-C meant for the tests does not kill it before it
 * has cleaned up.
 */
export function forkModule(from: string, name: string): ChildProcess {
  const extension = extname(fileURLToPath(from));
  const child = fork(fileURLToPath(new URL(`${name}${extension}`, from)), {
    // Sources need the loader this process was started with; a build needs nothing. A debugger's port is taken already.
    execArgv: extension === ".ts" ? process.execArgv.filter((argument) => !argument.startsWith("--inspect")) : [],
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  child.unref();
  child.channel?.unref();
  return child;
}

/** Keeps this process alive while it waits for a child's message. */
export async function keepingAlive<T>(work: Promise<T>): Promise<T> {
  const longestTimerMs = 2 ** 31 - 1;
  const timer = setInterval(() => undefined, longestTimerMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
