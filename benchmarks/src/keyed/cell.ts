import type { KeyedJob } from "./job.js";
import { type SubjectName, subjects } from "./subjects.js";

/** One measurement: a process of its own, the request as JSON in its first argument, the answer as JSON on its output. */
export interface KeyedRequest extends Pick<KeyedJob, "brokers" | "groupId" | "topic" | "records" | "concurrency"> {
  readonly subject: SubjectName;
  /** How long each record is worked on; 0 does nothing. */
  readonly workMs: number;
  /** Read first and not timed: connecting, joining a group, compiling. */
  readonly warmUp: { readonly topic: string; readonly records: number };
}

export interface KeyedCell {
  readonly perSecond: number;
  readonly cpuMicrosPerRecord: number;
}

/** Waits by a timer of its own, as a call of a remote service would, and needs the record until then. */
const workOf = (ms: number): KeyedJob["work"] =>
  ms === 0
    ? async (_key, value) => value.length
    : (_key, value) => new Promise((resolve) => setTimeout(() => resolve(value.length), ms));

const measure = async ({ subject, workMs, warmUp, ...job }: KeyedRequest): Promise<KeyedCell> => {
  const { run } = subjects[subject];
  const warmUpWork = workOf(Math.min(workMs, 1));
  await run({ ...job, ...warmUp, groupId: `${job.groupId}-warm-up`, work: warmUpWork, onDone: () => undefined });

  const work = workOf(workMs);
  let started = 0;
  let ended = 0;
  let done = 0;
  let cpu: NodeJS.CpuUsage | undefined;
  await run({
    ...job,
    work: (key, value) => {
      if (started === 0) {
        started = performance.now();
        cpu = process.cpuUsage();
      }
      return work(key, value);
    },
    onDone: () => {
      if (++done < job.records) return;
      ended = performance.now();
      cpu = process.cpuUsage(cpu);
    },
  });
  if (cpu === undefined || ended === 0) throw new Error(`the job ended after ${done} of ${job.records} records`);
  return {
    perSecond: (job.records / (ended - started)) * 1000,
    cpuMicrosPerRecord: (cpu.user + cpu.system) / job.records,
  };
};

const cell = await measure(JSON.parse(process.argv[2] ?? "") as KeyedRequest);
process.stdout.write(JSON.stringify(cell));
