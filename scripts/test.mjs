// Runs every test this machine can run, ring by ring, and says at the end what was skipped and why.
//   pnpm test              all rings
//   pnpm test unit broker  only these
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Screen } from "./test-screen.mjs";

const require = createRequire(import.meta.url);
const tsc = require.resolve("typescript/bin/tsc");
/** mocha without the process that it starts for options of node, which would be left over by whoever kills mocha. */
const mocha = [
  ...JSON.parse(readFileSync(new URL("../.mocharc.json", import.meta.url), "utf8"))["node-option"].map(
    (each) => `--${each}`,
  ),
  require.resolve("mocha/lib/cli/cli.js"),
];

/** They start clusters of their own. */
const OF_LOAD = ["test/broker/three-brokers.test.ts", "test/broker/rebalance-load.test.ts"];

/** `atLeast`: so many tests, or files are missing; a little below what there are, and raised as they grow. */
const rings = {
  build: { what: "building the packages", command: [tsc, "-b"] },
  types: { what: "checking types of sources, tests and examples", command: [tsc, "-p", "tsconfig.check.json"] },
  unit: { what: "unit tests and laws", files: ["packages/*/test/**/*.test.ts"], atLeast: 4500 },
  docs: {
    what: "architecture rules and documentation snippets",
    files: ["test/architecture/**/*.test.ts", "test/docs/**/*.test.ts"],
    atLeast: 80,
  },
  packed: {
    what: "packages as they would be published, and as a newcomer finds them",
    files: ["test/packed/**/*.test.ts"],
    atLeast: 27,
  },
  embedded: { what: "tests on the embedded Kafka", files: ["test/embedded/**/*.test.ts"], atLeast: 85 },
  load: { what: "clusters and groups under load", files: OF_LOAD, atLeast: 4 },
  broker: { what: "tests on a real Kafka", files: ["test/broker/**/*.test.ts"], ignored: OF_LOAD, atLeast: 300 },
};

/** Rings that run one after the other, beside the others: those on a broker mostly wait. */
const lanes = [
  ["types", "unit", "docs", "packed", "load"],
  ["embedded", "broker"],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((ring) => !(ring in rings));
if (unknown.length > 0) {
  console.error(`unknown ring ${unknown.join(", ")}; there are ${Object.keys(rings).join(", ")}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "millrace-test-"));
const skips = join(folder, "skips");
writeFileSync(skips, "");

const underWayOf = (name) => join(folder, `under-way-${name}`);
const failures = join(folder, "failures");
writeFileSync(failures, "");

const total = { passed: 0, failed: 0, skipped: 0 };

// A test that fails and leaves a client open would keep mocha from ever ending, as would one that never leaves a loop.
const RING_LIMIT_MS = 20 * 60_000;

/** How long what a ring has left behind may go on printing. */
const HELD_PIPES_MS = 5000;

/** With rings named, all they print is shown; else it goes to a file each, and is shown of a ring that failed. */
const OUTPUT = ".test-output";
const showsAll = wanted.length > 0;
mkdirSync(OUTPUT, { recursive: true });
const screen = new Screen();
const table = [];

const run = (name, args, env) =>
  new Promise((resolve) => {
    const log = join(OUTPUT, `${name}.log`);
    writeFileSync(log, "");
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: RING_LIMIT_MS,
      killSignal: "SIGKILL",
      env: { ...process.env, ...env },
    });
    const say = (data) => (showsAll ? screen.write(data) : appendFileSync(log, data));
    for (const stream of [child.stdout, child.stderr]) stream.on("data", say);
    child.on("close", (code, signal) => resolve(code ?? signal));
    // All it has printed has come then; but not where others have inherited its pipes, and hold them.
    child.on("exit", (code, signal) => setTimeout(resolve, HELD_PIPES_MS, code ?? signal));
  });

const runMocha = async (name, { files, ignored = [], atLeast }) => {
  const counts = join(folder, `counts-${name}`);
  writeFileSync(counts, "");
  const underWay = underWayOf(name);
  const args = [...mocha, "--reporter", "scripts/mocha-reporter.cjs", ...ignored.flatMap((each) => ["--ignore", each])];
  const env = {
    MILLRACE_COUNTS: counts,
    MILLRACE_SKIP_LOG: skips,
    MILLRACE_FAILURES: failures,
    MILLRACE_UNDER_WAY: underWay,
    MILLRACE_REPORTER: showsAll ? "spec" : "dot",
  };
  const status = await run(name, [...args, ...files], env);
  const lines = readFileSync(counts, "utf8").trim().split("\n").filter(Boolean);
  let [passed, failed, skipped] = [0, 0, 0];
  for (const line of lines) {
    const [passes, fails, pending] = line.split(" ").map(Number);
    passed += passes;
    failed += fails;
    skipped += pending;
  }
  const found = passed + failed + skipped;
  // mocha died before it could count, or failed outside a test.
  if (lines.length === 0 || (status !== 0 && failed === 0)) {
    const begun = existsSync(underWay) ? readFileSync(underWay, "utf8").split("\n").slice(1).join(" ") : "";
    const last = begun === "" ? "" : `; the last one begun: ${begun}`;
    appendFileSync(failures, `${name}: mocha ended with ${status} beside its tests${last}\n`);
    failed += 1;
  }
  if (found < atLeast) {
    appendFileSync(failures, `${name}: ${found} tests ran, and there are at least ${atLeast}\n`);
    failed += 1;
  }
  return { passed, failed, skipped };
};

const runCommand = async (name, { what, command }) => {
  if ((await run(name, command, {})) === 0) return { passed: 1, failed: 0, skipped: 0 };
  appendFileSync(failures, `${name}: ${what}\n`);
  return { passed: 0, failed: 1, skipped: 0 };
};

/** Answers whether it has held. */
const runRing = async (name) => {
  if (wanted.length > 0 && !wanted.includes(name) && name !== "build") return;
  const ring = rings[name];
  const start = Date.now();
  screen.write(`== ${name}: ${ring.what}\n`);
  screen.begin(name, underWayOf(name));
  const { passed, failed, skipped } = await (ring.files ? runMocha(name, ring) : runCommand(name, ring));
  screen.end(name);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const seconds = `${Math.round((Date.now() - start) / 1000)} s`;
  table.push([name, passed, failed, skipped, seconds]);
  if (failed > 0 && !showsAll) screen.write(readFileSync(join(OUTPUT, `${name}.log`), "utf8"));
  screen.write(`== ${name} took ${seconds}: ${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  return failed === 0;
};

const runLane = async (names) => {
  for (const name of names) await runRing(name);
};

if (await runRing("build")) await Promise.all(lanes.map(runLane));
screen.close();

const reasons = readFileSync(skips, "utf8")
  .trim()
  .split("\n")
  .filter(Boolean)
  .map((line) => line.split("\t"));
const failed = readFileSync(failures, "utf8").trim().split("\n").filter(Boolean);
rmSync(folder, { recursive: true, force: true });

const row = ([name, ...cells]) => `${name.padEnd(10)}${cells.map((each) => String(each).padStart(9)).join("")}`;
console.log(`\n${[["ring", "passed", "failed", "skipped", "took"], ...table].map(row).join("\n")}`);
console.log(showsAll ? "" : `what they printed is in ${OUTPUT}/\n`);
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
for (const each of failed) console.log(`FAILED: ${each}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
// Whoever was left with a pipe of a ring that was killed is not waited for.
process.exit(total.failed === 0 ? 0 : 1);
