import { spawn } from "node:child_process";
import { writeSync } from "node:fs";

const STDERR = 2;
/** A client whose broker is frozen or dead needs six seconds. */
const GRACE_MS = 10_000;

let stuck = 0;

/** Ends with its standard input, which is to say with the process that started it; kills that one if it takes too long. */
const KILLER = `
const [pid, graceMs, line] = process.argv.slice(1);
process.stdin.on("close", () => process.exit()).resume();
setTimeout(() => {
  console.error(line);
  process.kill(Number(pid), "SIGKILL");
}, Number(graceMs));
`;

/**
 * A process that ends waits for every thread of libuv, so one that is stuck in librdkafka would keep it for ever, also
 * from `process.exit`. Process 1 of a container cannot be killed from within, so that one aborts;
 * where no process can be started, it kills itself at once.
 */
const end = (exitCode: number): void => {
  const line = `kafka: ${stuck} clients are stuck while they close, and would keep this process for ever: it is killed in place of exit code ${exitCode}`;
  const killer =
    process.pid === 1
      ? undefined
      : spawn(process.execPath, ["-e", KILLER, `${process.pid}`, `${GRACE_MS}`, line], {
          stdio: ["pipe", "ignore", "inherit"],
          env: {},
        });
  if (killer?.pid !== undefined) return;
  writeSync(STDERR, `${line}\n`);
  process.kill(process.pid, "SIGKILL");
  process.abort();
};

/** A client should have closed long ago; `closed` resolves when it has. */
export const isStuckUntil = (closed: Promise<unknown>): void => {
  if (stuck === 0) process.on("exit", end);
  stuck += 1;
  void closed.then(() => {
    stuck -= 1;
    if (stuck === 0) process.off("exit", end);
  });
};
