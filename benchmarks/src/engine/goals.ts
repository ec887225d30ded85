import type { Goal, Row } from "../suite.js";

/** Peers that push back when downstream is slow; rxjs does not, and its queues grow without a bound. */
const BACKPRESSURED = ["async-generators", "ix", "effect", "node-streams"];

type Figure = "nsPerElement" | "longestStallMs" | "microsPerRun";

/** What the engine promises, beside what was measured. */
export const engineGoals = (rows: readonly Row[]): readonly Goal[] => {
  const figure = (bench: string, subject: string, of: Figure = "nsPerElement"): number | undefined =>
    rows.find((row) => row.bench === bench && row.subject === subject)?.[of];

  const timesFaster = (bench: string, peer: string): number | undefined => {
    const ours = figure(bench, "millrace");
    const theirs = figure(bench, peer);
    return ours === undefined || theirs === undefined ? undefined : theirs / ours;
  };

  const timesBestBackpressured = (bench: string): number | undefined => {
    const ratios = BACKPRESSURED.flatMap((peer) => timesFaster(bench, peer) ?? []);
    return ratios.length === BACKPRESSURED.length ? Math.min(...ratios) : undefined;
  };

  const atLeast = (goal: string, target: number, measured: number | undefined): Goal => ({
    goal,
    target,
    atMost: false,
    measured,
  });
  const atMost = (goal: string, target: number, measured: number | undefined): Goal => ({
    goal,
    target,
    atMost: true,
    measured,
  });

  return [
    atLeast("kafka-shape: rate, of the loop's", 0.85, timesFaster("kafka-shape", "loop")),
    atLeast("kafka-shape: times the best backpressured peer", 2.5, timesBestBackpressured("kafka-shape")),
    atLeast("kafka-shape: times effect", 8, timesFaster("kafka-shape", "effect")),
    atLeast("kafka-shape: times ix", 50, timesFaster("kafka-shape", "ix")),
    atLeast("map-async-16: rate, of the loop's", 0.8, timesFaster("map-async-16", "loop")),
    atLeast("map-async-16: times the best backpressured peer", 5, timesBestBackpressured("map-async-16")),
    atLeast("map-filter-map: times rxjs", 2.5, timesFaster("map-filter-map", "rxjs")),
    atLeast("ten-maps: times rxjs", 1.3, timesFaster("ten-maps", "rxjs")),
    atLeast("for-await: rate, of a hand-written iterator's", 0.9, timesFaster("for-await", "iterator")),
    atMost("for-await: ns per element", 60, figure("for-await", "millrace")),
    atMost("event-loop-stall: longest, ms", 5, figure("event-loop-stall", "millrace", "longestStallMs")),
    atMost("start-up: us to build and run ten elements", 5, figure("start-up", "millrace", "microsPerRun")),
  ];
};
