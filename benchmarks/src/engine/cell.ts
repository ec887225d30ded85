import { type Cell, measurePipeline, measureStall, measureStartUp } from "./measure.js";
import type { PipelineName } from "./pipelines.js";
import { subjects } from "./subjects.js";

/** What a child process is asked to measure, as JSON in its first argument; it answers a `Cell` as JSON. */
export interface CellRequest {
  readonly bench: PipelineName | "event-loop-stall" | "start-up";
  readonly subject: string;
  readonly polluted: boolean;
  readonly quick: boolean;
}

const measure = ({ bench, subject: name, polluted, quick }: CellRequest): Promise<Cell> => {
  const subject = subjects[name];
  if (!subject) throw new Error(`no such implementation: ${name}`);
  const effort = quick ? { runMs: 15, runs: 12, warmUpMs: 150 } : { runMs: 20, runs: 32, warmUpMs: 500 };
  if (bench === "event-loop-stall") return measureStall(subject, polluted, effort);
  if (bench === "start-up") return measureStartUp(subject, polluted, effort);
  return measurePipeline(subject, bench, polluted, effort);
};

const cell = await measure(JSON.parse(process.argv[2] ?? "{}") as CellRequest);
process.stdout.write(JSON.stringify(cell));
