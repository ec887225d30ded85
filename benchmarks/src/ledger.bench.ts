import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "./engine/measure.js";
import type { LedgerCell, LedgerRequest } from "./ledger/cell.js";
import { inOrderOnly, peers, subjects } from "./ledger/subjects.js";
import { endOrders } from "./ledger/workload.js";
import type { Goal, Row, Suite, SuiteOptions } from "./suite.js";

const execute = promisify(execFile);
const cellScript = fileURLToPath(new URL("./ledger/cell.js", import.meta.url));

const benches = Object.keys(endOrders);
const IN_ORDER = "in-order";

/** A process of its own for every measurement, as the other suites have it. */
const measure = async (request: LedgerRequest): Promise<LedgerCell> => {
  const args = ["--expose-gc", cellScript, JSON.stringify(request)];
  const { stdout } = await execute(process.execPath, args, { timeout: 300_000 });
  return JSON.parse(stdout) as LedgerCell;
};

const runBench = async (bench: string, options: SuiteOptions): Promise<readonly Row[]> => {
  const names = Object.keys(subjects).filter((name) => bench === IN_ORDER || !inOrderOnly.includes(name));
  const cells = new Map<string, LedgerCell[]>(names.map((name) => [name, []]));
  const rounds = options.quick ? 1 : 3;
  const blocks = options.quick ? 12 : 20;
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? names : [...names].reverse()) {
      options.progress(`${bench} ${subject} ${round + 1}/${rounds}`);
      cells.get(subject)?.push(await measure({ bench, subject, blocks }));
    }
  }
  const watermarks = new Set(
    ["ledger", ...peers].flatMap((name) => cells.get(name) ?? []).map((cell) => cell.checksum),
  );
  if (watermarks.size > 1) throw new Error(`${bench}: the watermarks differ: ${[...watermarks].join(", ")}`);
  return names.map((subject) => ({
    bench,
    subject,
    nsPerElement: median(cells.get(subject)?.map((cell) => cell.nsPerElement) ?? []),
    bytesPerRecord: median(cells.get(subject)?.map((cell) => cell.bytesPerRecord) ?? []),
  }));
};

const goals = (rows: readonly Row[]): readonly Goal[] => {
  const row = (bench: string, subject: string): Row | undefined =>
    rows.find((each) => each.bench === bench && each.subject === subject);

  const timesFaster = (bench: string): number | undefined => {
    const ours = row(bench, "ledger")?.nsPerElement;
    const theirs = peers.flatMap((peer) => row(bench, peer)?.nsPerElement ?? []);
    return ours === undefined ? undefined : Math.min(...theirs) / ours;
  };

  return benches.flatMap((bench) => [
    {
      goal: `ledger, ${bench}: ns to open and end a record`,
      target: 25,
      atMost: true,
      measured: row(bench, "ledger")?.nsPerElement,
    },
    {
      goal: `ledger, ${bench}: times the best sorted structure`,
      target: 3,
      atMost: false,
      measured: timesFaster(bench),
    },
    {
      goal: `ledger, ${bench}: bytes per record in flight`,
      target: 32,
      atMost: true,
      measured: row(bench, "ledger")?.bytesPerRecord,
    },
    // The copy takes 3 to 4 us per record, and the auditor may have 2 % of that.
    {
      goal: `auditor, ${bench}: ns per record`,
      target: 60,
      atMost: true,
      measured: row(bench, "auditor")?.nsPerElement,
    },
    ...(bench === IN_ORDER
      ? [
          {
            goal: "auditor, through, in-order: ns per record",
            target: 60,
            atMost: true,
            measured: row(bench, "auditor, through")?.nsPerElement,
          },
        ]
      : []),
  ]);
};

/** What the ledger and its auditor cost with 100 000 records in flight, by the order in which records end. */
export const suite: Suite = {
  benches,
  async run(options) {
    const rows: Row[] = [];
    for (const bench of benches) if (options.only.includes(bench)) rows.push(...(await runBench(bench, options)));
    return rows;
  },
  goals,
};
