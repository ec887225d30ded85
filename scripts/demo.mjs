// Builds what the demo needs and runs it; options go to the demo (`pnpm demo --help`).
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
process.stderr.write("building packages and example …\n");
const built = spawnSync(process.execPath, [tsc, "-b", "examples/orders"], { stdio: "inherit" });
if (built.status !== 0) process.exit(built.status ?? 1);
const demo = spawnSync(process.execPath, ["examples/orders/dist/main.js", ...process.argv.slice(2)], {
  stdio: "inherit",
});
process.exit(demo.status ?? 1);
