import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

export interface Owned {
  readonly brokers: string;
  readonly pids: readonly number[];
}

/** Runs `own-a-cluster.ts`, which starts a cluster of that kind in a process of its own and waits to be killed. */
export async function ownInOtherProcess(
  kind: "embedded" | "local",
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly owner: ChildProcess; readonly owned: Owned }> {
  const owner = fork(fileURLToPath(new URL("own-a-cluster.ts", import.meta.url)), [kind], {
    env: { ...process.env, ...env },
  });
  const [owned] = (await once(owner, "message")) as [Owned];
  return { owner, owned };
}

export async function killAndAwait(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  const socket = connect({ host: host ?? "", port: Number(port) });
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((open) => {
    socket.destroy();
    return open === true;
  });
}

/** Asks until the answer is yes; fails after `timeoutMs`. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
