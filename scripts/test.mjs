// Runs every test this machine can run, ring by ring, and says at the end what was skipped and why.
//   pnpm test              all rings
//   pnpm test unit broker  only these
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const tsc = require.resolve("typescript/bin/tsc");
const mocha = require.resolve("mocha/bin/mocha.js");

const rings = {
  build: { what: "building the packages", command: [tsc, "-b"] },
  types: { what: "checking types of sources, tests and examples", command: [tsc, "-p", "tsconfig.check.json"] },
  unit: { what: "unit tests and laws", files: ["packages/*/test/**/*.test.ts"] },
  docs: {
    what: "architecture rules and documentation snippets",
    files: ["test/architecture/**/*.test.ts", "test/docs/**/*.test.ts"],
  },
  embedded: { what: "tests on the embedded Kafka", files: ["test/embedded/**/*.test.ts"] },
  broker: { what: "tests on a real Kafka", files: ["test/broker/**/*.test.ts"] },
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((ring) => !(ring in rings));
if (unknown.length > 0) {
  console.error(`unknown ring ${unknown.join(", ")}; there are ${Object.keys(rings).join(", ")}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "millrace-test-"));
const counts = join(folder, "counts");
const skips = join(folder, "skips");
writeFileSync(counts, "");
writeFileSync(skips, "");

const total = { passed: 0, failed: 0, skipped: 0 };

// A test that fails and leaves a client open would keep mocha from ever ending.
const RING_LIMIT_MS = 20 * 60_000;

const runMocha = ({ files }) => {
  writeFileSync(counts, "");
  const { status } = spawnSync(process.execPath, [mocha, "--reporter", "scripts/mocha-reporter.cjs", ...files], {
    stdio: "inherit",
    timeout: RING_LIMIT_MS,
    killSignal: "SIGKILL",
    env: {
      ...process.env,
      MILLRACE_COUNTS: counts,
      MILLRACE_SKIP_LOG: skips,
      MILLRACE_REPORTER: wanted.length > 0 ? "spec" : "dot",
    },
  });
  const lines = readFileSync(counts, "utf8").trim().split("\n").filter(Boolean);
  for (const line of lines) {
    const [passed, failed, skipped] = line.split(" ").map(Number);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  // mocha died before it could count, or failed outside a test.
  if (lines.length === 0 || (status !== 0 && total.failed === 0)) total.failed += 1;
};

for (const [name, ring] of Object.entries(rings)) {
  if (wanted.length > 0 && !wanted.includes(name) && name !== "build") continue;
  console.log(`\n== ${name}: ${ring.what}`);
  if (ring.files) runMocha(ring);
  else if (spawnSync(process.execPath, ring.command, { stdio: "inherit" }).status === 0) total.passed += 1;
  else {
    total.failed += 1;
    if (name === "build") break;
  }
}

const reasons = readFileSync(skips, "utf8")
  .trim()
  .split("\n")
  .filter(Boolean)
  .map((line) => line.split("\t"));
rmSync(folder, { recursive: true, force: true });

console.log("");
if (total.skipped === 0) console.log("nothing was skipped");
for (const reason of new Set(reasons.map(([, reason]) => reason))) {
  console.log(`skipped ${reasons.filter(([, each]) => each === reason).length}: ${reason}`);
}
if (reasons.length !== total.skipped) {
  console.log(
    `${total.skipped} tests were skipped but ${reasons.length} gave a reason; a skip without one counts as a failure`,
  );
  total.failed += 1;
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;
