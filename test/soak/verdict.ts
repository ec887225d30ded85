import { LONG_MINUTES } from "./plan.js";
import { type LifeSlopes, LIMITS, rateGain, slopesOf } from "./gates.js";
import { type Life, within } from "./life.js";
import type { Oracle } from "./oracle.js";
import { Violations } from "./oracle.js";
import type { ProgressWatch } from "./progress-watch.js";
import { type Explained, explain, type History } from "./repetitions.js";
import type { Point } from "./slope.js";

/** A process may fail when its broker was away, or it was itself: it is started again, and nothing may be lost. */
const EXCUSED_MS = 60_000;

export interface Law {
  readonly name: string;
  /** A long run in which a law was `not judged` has not passed; in a short one it is `too short`, and counted as skipped. */
  readonly outcome: "held" | "broken" | "not judged" | "too short";
  readonly detail: string;
}

export interface Evidence {
  readonly oracle: Oracle;
  readonly watch: ProgressWatch;
  readonly history: History;
  /** Records per second of the whole fleet, over minutes. */
  readonly rates: readonly Point[];
  /** How long it ran. */
  readonly minutes: number;
  /** Since when nothing was disturbed any more. */
  readonly calmFrom: number;
}

export interface Verdict {
  readonly laws: readonly Law[];
  readonly explained: Explained;
  readonly slopes: readonly LifeSlopes[];
  readonly passed: boolean;
}

const law = (name: string, violations: Violations, detail: string): Law => ({
  name,
  outcome: violations.count === 0 ? "held" : "broken",
  detail: violations.count === 0 ? detail : `${violations.count} times: ${violations.examples.join("; ")}`,
});

const unfinished = ({ committed, ends }: Oracle): Violations => {
  const violations = new Violations();
  ends.forEach((end, partition) => {
    const position = committed[partition] ?? 0;
    if (position !== end) violations.add(`partition ${partition} ends at ${end}, and ${position} is committed`);
  });
  return violations;
};

const failures = ({ lives, brokerFaults }: History): { readonly own: Violations; readonly excused: number } => {
  const own = new Violations();
  let excused = 0;
  for (const { ended, drainAt, number, stalls } of lives) {
    if (ended?.how !== "failed" || drainAt !== undefined) continue;
    if (within(ended.at, brokerFaults, EXCUSED_MS) || within(ended.at, stalls, EXCUSED_MS)) excused += 1;
    else own.add(`process ${number}: ${ended.text}`);
  }
  return { own, excused };
};

/**
 * A stop is asked of a process whose stream the broker's absence has failed, or is about to: it ends with that error. One
 * that ends late, or says that records were left over, has no excuse.
 */
const isExcused = ({ drainAt, ended }: Life, { brokerFaults }: History): boolean =>
  drainAt !== undefined &&
  ended?.how === "failed" &&
  ended.text.startsWith("exit code 1 ") &&
  !ended.text.includes("DrainError") &&
  within(drainAt, brokerFaults, EXCUSED_MS);

const failedDrains = (history: History): { readonly own: Violations; readonly excused: number } => {
  const own = new Violations();
  let excused = 0;
  for (const life of history.lives) {
    if (life.drainAt === undefined || life.ended?.how === "drained") continue;
    if (isExcused(life, history)) excused += 1;
    else own.add(`process ${life.number}: ${life.ended?.text ?? "it still runs"}`);
  }
  return { own, excused };
};

const lawsOfDelivery = ({ oracle, watch, history }: Evidence, explained: Explained): readonly Law[] => {
  const { broken, ends, complete } = oracle;
  const records = ends.reduce((total, end) => total + end, 0);
  const drains = history.lives.filter(({ drainAt }) => drainAt !== undefined).length;
  const { own, excused } = failures(history);
  const stops = failedDrains(history);
  return [
    law("nothing is lost", oracle.lost(), `${complete} of ${records} records have their outputs`),
    law("outputs are what was asked for", broken.authentic, `${oracle.outputs} outputs`),
    law("committed ≤ processed, whenever looked", broken.committed, "everything below each position had its outputs"),
    law("committed positions never go back", broken.monotonic, "in any partition"),
    law("in the end everything is committed", unfinished(oracle), `up to ${ends.join(" ")}`),
    law("repeated only what was not committed", explained.belowCommitted, `${oracle.repetitions.length} repeated`),
    law("a graceful stop is never repeated", explained.afterDrain, `${drains} graceful stops`),
    law(
      "graceful stops end in time, with exit code 0",
      stops.own,
      `${drains} graceful stops, ${stops.excused} of processes that failed while their broker was away`,
    ),
    law(
      "order within an assignment",
      broken.ordered,
      "explicit: of the partition, without a gap; keys and groups: of each key",
    ),
    law("nothing is delivered of a partition given up", broken.owned, "in any process"),
    law("every process makes progress", watch.processes, `${history.lives.length} processes`),
    law("every partition makes progress", watch.partitions, `${ends.length} partitions`),
    law("no process fails by itself", own, `${excused} failed while their broker was away, or after SIGSTOP`),
  ];
};

const unjudged = (name: string, minutes: number, why: string): Law =>
  minutes < LONG_MINUTES
    ? { name, outcome: "too short", detail: `${why}; a run of ${LONG_MINUTES} minutes is judged` }
    : { name, outcome: "not judged", detail: why };

/** Whether a process grows. */
const gate = (
  name: string,
  limit: number,
  { slopes, minutes }: { readonly slopes: readonly LifeSlopes[]; readonly minutes: number },
  of: (slopes: LifeSlopes) => number | undefined,
): Law => {
  const judged = slopes.filter(({ isLongEnough }) => isLongEnough).flatMap((each) => of(each) ?? []);
  const title = `${name} grows by at most ${limit} MB a minute`;
  if (judged.length === 0) return unjudged(title, minutes, "no process lived for 5 minutes");
  const worst = Math.max(...judged);
  const detail = `at most ${worst.toFixed(2)} in ${judged.length} processes that lived for 5 minutes`;
  return { name: title, outcome: worst <= limit ? "held" : "broken", detail };
};

const gateOfRate = (rates: readonly Point[], minutes: number): Law => {
  const name = `the rate falls by at most ${LIMITS.rate * 100} % over the run`;
  const found = rateGain(rates);
  if (!found?.isLongEnough) return unjudged(name, minutes, "it was looked at for less than 9 minutes");
  const { gain } = found;
  // Of the number alone nobody could tell which it was.
  const detail = `it ${gain < 0 ? "fell" : "rose"} by ${Math.abs(100 * gain).toFixed(1)} %`;
  return { name, outcome: gain >= -LIMITS.rate ? "held" : "broken", detail };
};

/** Judges a run that has ended. */
export const judge = (evidence: Evidence): Verdict => {
  const { oracle, history, rates, minutes, calmFrom } = evidence;
  const explained = explain(oracle.repetitions, history);
  const slopes = slopesOf(history.lives, calmFrom);
  const laws = [
    ...lawsOfDelivery(evidence, explained),
    gate("the heap after a collection", LIMITS.heap, { slopes, minutes }, ({ heap }) => heap.slope),
    gate("memory outside of the heap", LIMITS.outside, { slopes, minutes }, ({ outside }) => outside?.slope),
    gateOfRate(rates, minutes),
  ];
  return {
    laws,
    explained,
    slopes,
    passed: laws.every(({ outcome }) => outcome === "held" || outcome === "too short"),
  };
};
