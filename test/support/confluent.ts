/** Tests of the driver over Confluent's package, each in a process of its own: it may not share one with node-rdkafka. */
import { spawnSync } from "node:child_process";
import { skipWithReason } from "./broker.js";

const TRY = `require("@confluentinc/kafka-javascript")`;

/** Skips the suite, or the test, and says why, where the package is not installed or its native part was not built. */
export function confluentOrSkip(context: Mocha.Context): void {
  const { status, stderr } = spawnSync(process.execPath, ["-e", TRY], { encoding: "utf8", timeout: 30_000 });
  if (status === 0) return;
  const said = stderr.split("\n").find((line) => line.startsWith("Error"));
  const reason = `@confluentinc/kafka-javascript is not built; pnpm confluent builds it (${said ?? stderr.slice(0, 200)})`;
  return skipWithReason(context, reason);
}
