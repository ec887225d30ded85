// Runs every test this machine can run, ring by ring, and says at the end what was skipped and why.
//   pnpm test              all rings
//   pnpm test unit broker  only these
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

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
    atLeast: 15,
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

const failures = join(folder, "failures");
writeFileSync(failures, "");

const total = { passed: 0, failed: 0, skipped: 0 };

// A test that fails and leaves a client open would keep mocha from ever ending, as would one that never leaves a loop.
const RING_LIMIT_MS = 20 * 60_000;

/** How long what a ring has left behind may go on printing. */
const HELD_PIPES_MS = 5000;

/** What a lane prints: at once for the first, and for the second when the first has ended. */
class Screen {
  #waiting = [];
  #open;

  constructor(open) {
    this.#open = open;
  }

  write(text) {
    if (this.#open) process.stdout.write(text);
    else this.#waiting.push(text);
  }

  open() {
    this.#open = true;
    for (const text of this.#waiting.splice(0)) process.stdout.write(text);
  }
}

const run = (args, env, screen) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: RING_LIMIT_MS,
      killSignal: "SIGKILL",
      env: { ...process.env, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => screen.write(data));
    child.on("close", (code, signal) => resolve(code ?? signal));
    // All it has printed has come then; but not where others have inherited its pipes, and hold them.
    child.on("exit", (code, signal) => setTimeout(resolve, HELD_PIPES_MS, code ?? signal));
  });

const runMocha = async (name, { files, ignored = [], atLeast }, screen) => {
  const counts = join(folder, `counts-${name}`);
  writeFileSync(counts, "");
  const underWay = join(folder, `under-way-${name}`);
  const args = [...mocha, "--reporter", "scripts/mocha-reporter.cjs", ...ignored.flatMap((each) => ["--ignore", each])];
  const reporter = wanted.length > 0 ? "spec" : "dot";
  const env = {
    MILLRACE_COUNTS: counts,
    MILLRACE_SKIP_LOG: skips,
    MILLRACE_FAILURES: failures,
    MILLRACE_UNDER_WAY: underWay,
    MILLRACE_REPORTER: reporter,
  };
  const status = await run([...args, ...files], env, screen);
  const lines = readFileSync(counts, "utf8").trim().split("\n").filter(Boolean);
  let [found, failed] = [0, 0];
  for (const line of lines) {
    const [passes, fails, skipped] = line.split(" ").map(Number);
    found += passes + fails + skipped;
    total.passed += passes;
    failed += fails;
    total.skipped += skipped;
  }
  // mocha died before it could count, or failed outside a test.
  if (lines.length === 0 || (status !== 0 && failed === 0)) {
    const last = existsSync(underWay) ? `; the last one begun: ${readFileSync(underWay, "utf8")}` : "";
    appendFileSync(failures, `${name}: mocha ended with ${status} beside its tests${last}\n`);
    failed += 1;
  }
  if (found < atLeast) {
    appendFileSync(failures, `${name}: ${found} tests ran, and there are at least ${atLeast}\n`);
    failed += 1;
  }
  total.failed += failed;
};

const runRing = async (name, screen) => {
  if (wanted.length > 0 && !wanted.includes(name) && name !== "build") return;
  const ring = rings[name];
  const start = Date.now();
  screen.write(`\n== ${name}: ${ring.what}\n`);
  const failedBefore = total.failed;
  if (ring.files) await runMocha(name, ring, screen);
  else if ((await run(ring.command, {}, screen)) === 0) total.passed += 1;
  else {
    appendFileSync(failures, `${name}: ${ring.what}\n`);
    total.failed += 1;
  }
  screen.write(`== ${name} took ${Math.round((Date.now() - start) / 1000)} s\n`);
  return total.failed === failedBefore;
};

const runLane = async (names, screen) => {
  for (const name of names) await runRing(name, screen);
};

if (await runRing("build", new Screen(true))) {
  const screens = lanes.map((_, index) => new Screen(index === 0));
  const [first, ...others] = lanes.map((names, index) => runLane(names, screens[index]));
  await first;
  for (const screen of screens) screen.open();
  await Promise.all(others);
}

const reasons = readFileSync(skips, "utf8")
  .trim()
  .split("\n")
  .filter(Boolean)
  .map((line) => line.split("\t"));
const failed = readFileSync(failures, "utf8").trim().split("\n").filter(Boolean);
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
for (const each of failed) console.log(`FAILED: ${each}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
// Whoever was left with a pipe of a ring that was killed is not waited for.
process.exit(total.failed === 0 ? 0 : 1);
