/** `pnpm mutants`: breaks sources in small ways, one at a time, and counts how many of them a test notices. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Random } from "../soak/random.js";
import { Checkout } from "./checkout.js";
import { type Mutation, mutationsOf, type Reachable, tellingReach } from "./mutations.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What a record's safety hangs on. */
const AREAS = [
  "packages/kafka/src/ledger",
  "packages/kafka/src/consumer",
  "packages/kafka/src/offsets",
  "packages/streams/src/engine",
  "packages/streams/src/stages",
];
const TESTED = ["streams", "kafka", "kafka-testkit"];

/** Of the tests that reach a function, those that call it most, for all they call, come first, as many as fit in here. */
const TESTS_MS = 90_000;
const RING_LIMIT_MS = 40 * 60_000;
const WANTED = 0.9;
/** Of one that is slow here, or needs what a copy has not, nothing can be learnt. */
const MOST_FAILING = 5;
/** Sources that tell what they reach are slower, and so is a machine with several workers. */
const TIMEOUT = ["--timeout", "30000"];

interface TestFile {
  readonly file: string;
  readonly ms: number;
  readonly failed: boolean;
  /** By function, how often it was called. */
  readonly reached: ReadonlyMap<number, number>;
}

interface Judgement {
  readonly path: string;
  readonly source: string;
  readonly change: string;
  readonly why: string;
}

interface Outcome {
  readonly mutation: Mutation;
  readonly how: "found" | "hung" | "survived" | "not reached" | "equivalent";
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((each) => each !== "--"),
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    count: { type: "string", default: "200" },
    workers: { type: "string", default: String(availableParallelism()) },
    in: { type: "string", default: "" },
  },
});
const [seed, count, workers] = [Number(values.seed), Number(values.count), Number(values.workers)];
console.log(`again by: pnpm mutants --seed ${seed} --count ${count}${values.in && ` --in ${values.in}`}`);

const equivalent = JSON.parse(
  readFileSync(new URL("equivalent.json", import.meta.url), "utf8"),
) as readonly Judgement[];

const judgementOf = ({ path, source, change }: Mutation): Judgement | undefined =>
  equivalent.find((each) => each.path === path && each.source === source && each.change === change);

const filesIn = (folder: string, ending: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((each) => each.endsWith(ending))
    .map((each) => `${folder}/${each}`)
    .sort();

/** Runs the tests once, with sources that tell what they reach. */
const reach = async (
  checkout: Checkout,
  sources: ReadonlyMap<string, string>,
): Promise<{ readonly functions: readonly Reachable[]; readonly tests: readonly TestFile[] }> => {
  const functions: Reachable[] = [];
  for (const [path, text] of sources) {
    const told = tellingReach(path, text, functions.length);
    functions.push(...told.functions);
    checkout.write(path, told.text);
  }
  const lines = join(checkout.folder, "reached");
  for (const name of TESTED) {
    console.log(`which functions the tests of ${name} reach …`);
    const args = [
      ...TIMEOUT,
      "--reporter",
      "test/mutants/reach-reporter.cjs",
      ...filesIn(`packages/${name}/test`, ".test.ts"),
    ];
    const code = await checkout.mocha(args, RING_LIMIT_MS, { MILLRACE_REACHED: lines });
    if (code === undefined) throw new Error(`The tests of ${name} do not end:\n${checkout.said}`);
  }
  for (const [path, text] of sources) checkout.write(path, text);
  const byFile = new Map<string, TestFile>();
  for (const line of readFileSync(lines, "utf8").trim().split("\n")) {
    const { file, ms, failed, reached } = JSON.parse(line) as Omit<TestFile, "reached"> & {
      reached: [number, number][];
    };
    const path = checkout.pathOf(file);
    const before = byFile.get(path);
    const calls = new Map(before?.reached);
    for (const [id, count] of reached) calls.set(id, (calls.get(id) ?? 0) + count);
    const isFailing = failed || before?.failed === true;
    byFile.set(path, { file: path, ms: ms + (before?.ms ?? 0), failed: isFailing, reached: calls });
  }
  const failing = [...byFile.values()].filter(({ failed }) => failed);
  for (const { file } of failing) console.log(`not used, since it fails before anything is broken: ${file}`);
  if (failing.length > MOST_FAILING) throw new Error("Too many tests fail before anything is broken.");
  return { functions, tests: [...byFile.values()].filter(({ failed }) => !failed) };
};

/** The tests that run the innermost function around a mutation, or, outside of functions, any of its source. */
const testsFor = (
  { path, start, end }: Mutation,
  functions: readonly Reachable[],
  tests: readonly TestFile[],
): readonly string[] => {
  const within = functions
    .map((each, id) => ({ ...each, id }))
    .filter((each) => each.path === path)
    .sort((one, other) => one.end - one.start - (other.end - other.start));
  const around = within.find((each) => each.start <= start && end <= each.end);
  const wanted = around === undefined ? within : [around];
  const sum = (calls: Iterable<number>): number => [...calls].reduce((total, each) => total + each, 0);
  let left = TESTS_MS;
  return tests
    .map(({ file, ms, reached }) => {
      const calls = sum(wanted.map(({ id }) => reached.get(id) ?? 0));
      return { file, ms, share: calls / Math.max(1, sum(reached.values())) };
    })
    .filter(({ share }) => share > 0)
    .sort((one, other) => other.share - one.share)
    .filter(({ ms }, index) => {
      if (index > 0 && ms > left) return false;
      left -= ms;
      return true;
    })
    .map(({ file }) => file);
};

const tryOut = async (
  checkout: Checkout,
  { path, start, end, replacement }: Mutation,
  text: string,
  tests: readonly string[],
): Promise<Outcome["how"]> => {
  if (tests.length === 0) return "not reached";
  checkout.write(path, text.slice(0, start) + replacement + text.slice(end));
  try {
    const code = await checkout.mocha([...TIMEOUT, "--bail", "--reporter", "dot", ...tests], 3 * TESTS_MS);
    if (code === undefined) return "hung";
    return code === 0 ? "survived" : "found";
  } finally {
    checkout.write(path, text);
  }
};

const folder = mkdtempSync(join(tmpdir(), "millrace-mutants-"));
const checkouts = Array.from({ length: workers }, (_, index) => new Checkout(root, join(folder, String(index))));
process.on("exit", () => {
  for (const each of checkouts) each.end();
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
const [first] = checkouts;
if (first === undefined) throw new Error(`--workers takes a number from 1, not '${values.workers}'`);
const sources = new Map(
  AREAS.flatMap((area) => filesIn(area, ".ts")).map((path) => [path, readFileSync(join(root, path), "utf8")]),
);
const { functions, tests } = await reach(first, sources);
const all = [...sources]
  .filter(([path]) => path.includes(values.in))
  .flatMap(([path, text]) => mutationsOf(path, text));
const drawn = new Random(seed).shuffled(all).slice(0, count);
console.log(`${drawn.length} of ${all.length} mutations of ${sources.size} sources, ${tests.length} files of tests`);

const outcomes: Outcome[] = [];
const waiting = [...drawn];
const work = async (checkout: Checkout): Promise<void> => {
  for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
    const isKnown = judgementOf(mutation) !== undefined;
    const how = isKnown
      ? "equivalent"
      : await tryOut(checkout, mutation, sources.get(mutation.path) ?? "", testsFor(mutation, functions, tests));
    outcomes.push({ mutation, how });
    const { path, line, change } = mutation;
    console.log(`${outcomes.length}/${drawn.length} ${how.padEnd(11)} ${path}:${line}  ${change}`);
  }
};
await Promise.all(checkouts.map(work));

const heard = outcomes.filter(({ how }) => how === "found" || how === "hung").length;
const judged = outcomes.filter(({ how }) => how === "equivalent").length;
const score = heard / Math.max(1, outcomes.length - judged);
console.log("\nNot noticed by any test; write one, or judge it in test/mutants/equivalent.json:");
for (const { mutation, how } of outcomes) {
  if (how !== "survived" && how !== "not reached") continue;
  const { path, line, change, source } = mutation;
  console.log(`  ${path}:${line}  ${how}\n    ${change}\n    ${source}`);
}
console.log(`\n${heard} of ${outcomes.length - judged} found, ${judged} equivalent: ${(100 * score).toFixed(1)} %`);
process.exit(score >= WANTED ? 0 : 1);
