import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

// Benchmarks measure what is published: compiled by tsc, not by the test loader, whose output differs.
const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["inherit", "inherit", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
};

run(tsc, "-b", "benchmarks");
run("benchmarks/dist/main.js", ...process.argv.slice(2));
