import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a cell tells: that it has begun to read, what it measured, or why it could not. */
type CellMessage<T> = "reads" | { readonly cell: T } | { readonly error: string };

const CELL_TIMEOUT_MS = 180_000;

/** One measurement: a process of its own, asked and answered by messages. Fails when that one does. */
export const forkCell = <Request extends object, T>(
  script: URL,
  what: string,
  request: Request,
  onReads: () => void = () => undefined,
): Promise<T> => {
  // What clients print is not ours, and the table goes to the same place.
  const child = fork(fileURLToPath(script), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let printed = "";
  child.stderr?.on("data", (data: Buffer) => (printed = (printed + data.toString()).slice(-4000)));
  return new Promise<T>((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`${what}: ${reason}\n${printed}`));
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      fail(`not done within ${CELL_TIMEOUT_MS} ms`);
    }, CELL_TIMEOUT_MS);
    child.on("message", (message) => {
      const answer = message as CellMessage<T>;
      if (answer === "reads") onReads();
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

/** The other side: measures what it is asked, answers, and ends. */
export const answerCell = <Request, T>(measure: (request: Request, onReads: () => void) => Promise<T>): void => {
  const send = (message: CellMessage<T>, then: () => void = () => undefined): void =>
    void process.send?.(message, undefined, {}, then);
  process.once("message", (request) => {
    measure(request as Request, () => send("reads")).then(
      (cell) => send({ cell }, () => process.exit(0)),
      (error: unknown) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        send({ error: text }, () => process.exit(1));
      },
    );
  });
};
