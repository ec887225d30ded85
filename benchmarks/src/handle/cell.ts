/** One subject in a process of its own: nanoseconds of processor time for each record, by the median of several runs. */
import { median } from "../engine/measure.js";
import { subjects } from "./subjects.js";

export interface HandleRequest {
  readonly subject: string;
  readonly records: number;
  readonly runs: number;
}

export interface HandleCell {
  readonly nsPerElement: number;
  readonly cpuMicrosPerElement: number;
}

const WARM_UP = 2;

const { subject, records, runs } = JSON.parse(process.argv[2] ?? "") as HandleRequest;
const run = subjects[subject];
if (!run) throw new Error(`no such subject: ${subject}`);
const walls: number[] = [];
const cpus: number[] = [];
for (let round = -WARM_UP; round < runs; round++) {
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  await run(records);
  const { user, system } = process.cpuUsage(cpu);
  if (round < 0) continue;
  walls.push(((performance.now() - wall) * 1e6) / records);
  cpus.push((user + system) / records);
}
const cell: HandleCell = { nsPerElement: median(walls), cpuMicrosPerElement: median(cpus) };
process.stdout.write(JSON.stringify(cell));
