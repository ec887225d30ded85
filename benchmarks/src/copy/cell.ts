import type { CopyJob } from "./job.js";
import { subjects } from "./subjects.js";

/** One measurement: a process of its own, the request as JSON in its first argument, the answer as JSON on its output. */
export interface CopyRequest extends Omit<CopyJob, "onCommitted"> {
  readonly subject: string;
  /** Records that are not timed: joining the group, connecting, compiling. */
  readonly warmUp: number;
}

export interface CopyCell {
  readonly perSecond: number;
  readonly cpuMicrosPerRecord: number;
}

const measure = async (request: CopyRequest): Promise<CopyCell> => {
  const copy = subjects[request.subject];
  if (!copy) throw new Error(`no such subject: ${request.subject}`);
  let from: { readonly at: number; readonly cpu: NodeJS.CpuUsage; readonly records: number } | undefined;
  let cell: CopyCell | undefined;
  await copy({
    ...request,
    onCommitted: (records) => {
      if (from === undefined) {
        if (records >= request.warmUp) from = { at: performance.now(), cpu: process.cpuUsage(), records };
      } else if (records >= request.records && cell === undefined) {
        const { user, system } = process.cpuUsage(from.cpu);
        const timed = records - from.records;
        cell = {
          perSecond: (timed / (performance.now() - from.at)) * 1000,
          cpuMicrosPerRecord: (user + system) / timed,
        };
      }
    },
  });
  if (!cell) throw new Error("the copy ended before its records were committed");
  return cell;
};

const cell = await measure(JSON.parse(process.argv[2] ?? "") as CopyRequest);
process.stdout.write(JSON.stringify(cell));
