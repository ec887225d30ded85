import { stat } from "node:fs/promises";
import { type Latencies, spread } from "../clients/latency-watch.js";
import { indexOf } from "../clients/records.js";
import { answerCell } from "../fork-cell.js";
import { NativeCalls } from "./native-calls.js";
import { readings, type SubjectName } from "./subjects.js";
import { type Turns, TurnWatch } from "./turn-watch.js";

export interface EventLoopRequest {
  readonly subject: SubjectName;
  readonly brokers: string;
  readonly topic: string;
  /** Each reads the topic in a group of its own. */
  readonly groupIds: readonly string[];
  readonly warmUpMs: number;
  readonly forMs: number;
}

export interface EventLoopCell {
  readonly perSecond: number;
  readonly turns: Turns;
  readonly stat: Latencies;
  /** The longest call into the native client, and its name. */
  readonly nativeCall?: readonly [name: string, ms: number];
}

const STAT_EVERY_MS = 3;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Times `fs.stat`, which waits for one of libuv's threads, again and again until told. */
const timeStat = async (isOver: () => boolean): Promise<Latencies> => {
  const path = process.execPath;
  const ms: number[] = [];
  while (!isOver()) {
    const start = performance.now();
    await stat(path);
    ms.push(performance.now() - start);
    await pause(STAT_EVERY_MS);
  }
  return spread(ms);
};

const measure = async (
  { subject, brokers, topic, groupIds, warmUpMs, forMs }: EventLoopRequest,
  onReads: () => void,
): Promise<EventLoopCell> => {
  const calls = new NativeCalls();
  calls.watch();
  let records = 0;
  let sum = 0;
  const reads = new Set<string>();
  let allRead = (): void => undefined;
  const ready = new Promise<void>((resolve) => (allRead = resolve));
  const ends = await Promise.all(
    groupIds.map((groupId) =>
      readings[subject]({
        brokers,
        groupId,
        topic,
        process: (value) => {
          records += 1;
          if (value) sum += indexOf(value);
          if (reads.size < groupIds.length && reads.add(groupId).size === groupIds.length) allRead();
        },
      }),
    ),
  );
  if (subject !== "idle") await ready;
  onReads();
  await pause(warmUpMs);
  calls.clear();
  const before = records;
  const watch = new TurnWatch();
  const start = performance.now();
  const timed = timeStat(() => performance.now() - start >= forMs);
  const stats = await timed;
  const perSecond = ((records - before) / (performance.now() - start)) * 1000;
  const turns = await watch.close();
  const nativeCall = calls.longest;
  await Promise.all(ends.map((end) => end()));
  if (!Number.isFinite(sum)) throw new Error("records were not looked at");
  return { perSecond, turns, stat: stats, ...(nativeCall && { nativeCall }) };
};

answerCell(measure);
