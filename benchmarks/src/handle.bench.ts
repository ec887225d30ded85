import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "./engine/measure.js";
import type { HandleCell, HandleRequest } from "./handle/cell.js";
import { subjects } from "./handle/subjects.js";
import type { Goal, Row, Suite, SuiteOptions } from "./suite.js";

const execute = promisify(execFile);
const cellScript = fileURLToPath(new URL("./handle/cell.js", import.meta.url));

const BENCH = "handle";
const RECORDS = 200_000;

/** What each policy is compared with: the same work without one. */
const WITHOUT: Readonly<Record<string, string>> = {
  handle: "mapAsyncPartitionedUnordered",
  "handle, dead letters": "mapAsyncPartitionedUnordered",
  handleCommittable: "mapAsyncPartitioned",
};

/** What a record costs that is consumed over node-rdkafka and committed, whatever is done with it: see `pnpm bench clients`. */
const RECORD_NS = 5000;

const measure = async (request: HandleRequest): Promise<HandleCell> => {
  const { stdout } = await execute(process.execPath, [cellScript, JSON.stringify(request)], { timeout: 120_000 });
  return JSON.parse(stdout) as HandleCell;
};

const run = async ({ quick, progress }: SuiteOptions): Promise<readonly Row[]> => {
  const names = Object.keys(subjects);
  const cells = new Map<string, HandleCell[]>(names.map((name) => [name, []]));
  const rounds = quick ? 1 : 5;
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? names : [...names].reverse()) {
      progress(`${BENCH} ${subject} ${round + 1}/${rounds}`);
      cells.get(subject)?.push(await measure({ subject, records: RECORDS, runs: quick ? 3 : 7 }));
    }
  }
  return names.map((subject) => ({
    bench: BENCH,
    subject,
    nsPerElement: median(cells.get(subject)?.map((cell) => cell.nsPerElement) ?? []),
    cpuMicrosPerElement: median(cells.get(subject)?.map((cell) => cell.cpuMicrosPerElement) ?? []),
  }));
};

export const suite: Suite = {
  benches: [BENCH],
  notes: [
    "Records of 100 bytes in the order of their keys, 64 at a time, by a handler that does nothing, from a driver in memory, with commits.",
  ],
  run,
  goals: (rows: readonly Row[]): readonly Goal[] => {
    const cpuOf = (subject: string): number => rows.find((row) => row.subject === subject)?.cpuMicrosPerElement ?? NaN;
    return Object.entries(WITHOUT).map(([subject, without]) => ({
      goal: `${subject}: percent of processor time beyond ${without}, of a record over node-rdkafka (${RECORD_NS} ns)`,
      target: 3,
      atMost: true,
      measured: ((cpuOf(subject) - cpuOf(without)) * 1000 * 100) / RECORD_NS,
    }));
  },
};
