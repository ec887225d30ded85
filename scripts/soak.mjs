// Builds the packages and soaks them: real processes on a real Kafka, killed at random (`pnpm soak --help`).
import { spawn, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const main = fileURLToPath(new URL("../test/soak/main.ts", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
process.stderr.write("building packages …\n");
const built = spawnSync(process.execPath, [tsc, "-b", "packages/kafka-testkit"], { cwd: root, stdio: "inherit" });
if (built.status !== 0) process.exit(built.status ?? 1);

// What is soaked is what would be published; only the harness around it is loaded from its sources.
const soak = spawn(
  process.execPath,
  ["--expose-gc", "--import=tsx", "--enable-source-maps", main, ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
// It tidies up after a signal; this process must not leave before it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => soak.kill(signal));
soak.once("exit", (code) => process.exit(code ?? 1));
