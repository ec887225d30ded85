/** Ends with code 3 while a thread of libuv is in use, as by a client that closes: `stuck`, `alone`, `late`, `closed` or `unknown`. */
import { execFileSync } from "node:child_process";
import { open } from "node:fs";
import { isStuckUntil } from "../../../../src/client/rdkafka/stuck-clients.js";

const [what = "", fifo = ""] = process.argv.slice(2);

// Nobody writes to it, so opening it never ends.
if (what !== "closed") open(fifo, "r", () => undefined);
if (what !== "unknown") isStuckUntil(what === "closed" ? Promise.resolve() : new Promise(() => undefined));
setTimeout(() => {
  if (what === "late") execFileSync("sh", ["-c", '(sleep 2; : > "$0") > /dev/null 2>&1 &', fifo]);
  // Nothing can be started then.
  if (what === "alone") process.execPath = `${fifo}-nowhere`;
  process.exit(3);
}, 100);
