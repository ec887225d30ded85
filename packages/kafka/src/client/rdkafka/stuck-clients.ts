import { writeSync } from "node:fs";

const STDERR = 2;

let stuck = 0;

/**
 * A process that ends waits for every thread of libuv, so one that is stuck in librdkafka would keep it for ever, also from
 * `process.exit`. As process 1 of a container it cannot kill itself, and aborts.
 */
const end = (exitCode: number): void => {
  writeSync(
    STDERR,
    `kafka: ${stuck} clients are stuck while they close, and would keep this process for ever: it kills itself in place of exit code ${exitCode}\n`,
  );
  process.kill(process.pid, "SIGKILL");
  process.abort();
};

/** A client was told to close long ago; `closed` resolves when it has. */
export const isStuckUntil = (closed: Promise<unknown>): void => {
  if (stuck === 0) process.on("exit", end);
  stuck += 1;
  void closed.then(() => {
    stuck -= 1;
    if (stuck === 0) process.off("exit", end);
  });
};
