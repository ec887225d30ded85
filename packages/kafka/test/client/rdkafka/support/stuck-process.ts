/** Ends with code 3 while a thread of libuv is stuck, as by a client that does not close: `stuck`, `closed` or `unknown`. */
import { open } from "node:fs";
import { isStuckUntil } from "../../../../src/client/rdkafka/stuck-clients.js";

const [what = "", fifo = ""] = process.argv.slice(2);

// Nobody writes to it, so opening it never ends.
if (what !== "closed") open(fifo, "r", () => undefined);
if (what !== "unknown") isStuckUntil(what === "closed" ? Promise.resolve() : new Promise(() => undefined));
setTimeout(() => process.exit(3), 100);
