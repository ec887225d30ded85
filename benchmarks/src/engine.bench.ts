import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CellRequest } from "./engine/cell.js";
import { engineGoals } from "./engine/goals.js";
import { type Cell, median } from "./engine/measure.js";
import { pipelineNames } from "./engine/pipelines.js";
import { subjects } from "./engine/subjects.js";
import type { Row, Suite, SuiteOptions } from "./suite.js";

const execute = promisify(execFile);
const cellScript = fileURLToPath(new URL("./engine/cell.js", import.meta.url));

const benches: readonly CellRequest["bench"][] = [...pipelineNames, "event-loop-stall", "start-up"];

/** What a bench needs an implementation to have. */
const pipelineOf = (bench: CellRequest["bench"]) =>
  bench === "event-loop-stall" || bench === "start-up" ? "map-filter-map" : bench;

/** A process of its own for every measurement, so that no implementation lives with what another did to the compiler. */
const measure = async (request: CellRequest): Promise<Cell> => {
  const { stdout } = await execute(process.execPath, [cellScript, JSON.stringify(request)], { timeout: 300_000 });
  return JSON.parse(stdout) as Cell;
};

const toRow = (bench: string, subject: string, cells: readonly Cell[], loop: readonly Cell[] | undefined): Row => {
  const ns = median(cells.map((cell) => cell.nsPerElement));
  const stalls = cells.flatMap((cell) => cell.longestStallMs ?? []);
  const micros = cells.flatMap((cell) => cell.microsPerRun ?? []);
  return {
    bench,
    subject,
    nsPerElement: ns,
    ...(loop && {
      ratioToLoop: median(loop.map((cell, round) => cell.nsPerElement / (cells[round]?.nsPerElement ?? 0))),
    }),
    ...(stalls.length > 0 && { longestStallMs: median(stalls) }),
    ...(micros.length > 0 && { microsPerRun: median(micros) }),
  };
};

const runBench = async (bench: CellRequest["bench"], options: SuiteOptions): Promise<readonly Row[]> => {
  const names = Object.keys(subjects).filter((name) => subjects[name]?.[pipelineOf(bench)] !== undefined);
  const cells = new Map<string, Cell[]>(names.map((name) => [name, []]));
  const rounds = options.quick ? 1 : 3;
  for (let round = 0; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? names : [...names].reverse()) {
      options.progress(`${bench} ${subject} ${round + 1}/${rounds}`);
      const cell = await measure({ bench, subject, polluted: options.polluted, quick: options.quick });
      cells.get(subject)?.push(cell);
    }
  }
  const checksums = new Set([...cells.values()].flat().map((cell) => cell.checksum));
  if (checksums.size > 1) throw new Error(`${bench}: the implementations disagree: ${[...checksums].join(", ")}`);
  return names.map((name) => toRow(bench, name, cells.get(name) ?? [], cells.get("loop")));
};

export const suite: Suite = {
  benches,
  async run(options) {
    const rows: Row[] = [];
    for (const bench of benches) if (options.only.includes(bench)) rows.push(...(await runBench(bench, options)));
    return rows;
  },
  goals: engineGoals,
};
