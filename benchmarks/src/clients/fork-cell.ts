import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CellMessage, ClientCell, ClientRequest } from "./cell.js";

const script = fileURLToPath(new URL("./cell.js", import.meta.url));

const CELL_TIMEOUT_MS = 180_000;

/** Measures in a process of its own; fails when that one does. `onFirst`: it has read its first record. */
export const forkCell = (request: ClientRequest, onFirst: () => void = () => undefined): Promise<ClientCell> => {
  const what = `${request.client}, ${request.workload}, ${request.size} B x ${request.partitions}`;
  // What clients print is not ours, and the table goes to the same place.
  const child = fork(script, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let printed = "";
  child.stderr?.on("data", (data: Buffer) => (printed = (printed + data.toString()).slice(-4000)));
  return new Promise<ClientCell>((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`${what}: ${reason}\n${printed}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`not done within ${CELL_TIMEOUT_MS} ms`);
    }, CELL_TIMEOUT_MS);
    child.on("message", (message) => {
      const answer = message as CellMessage;
      if (answer === "first") onFirst();
      else if ("cell" in answer) resolve(answer.cell);
      else fail(answer.error);
    });
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`its process ended with ${signal ?? String(code)}`);
    });
    child.send(request);
  });
};
