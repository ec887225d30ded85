import { Random } from "../simulated/random.js";
import type { SimulatedFaults } from "../simulated/faults.js";
import type { Bounds, DeliveryPlan, Disturbance } from "./delivery-plan.js";
import type { Settings } from "./options.js";

const RATES = {
  produceErrorRate: 0.02,
  ackLossRate: 0.02,
  requestLossRate: 0.05,
  answerLossRate: 0.05,
  partialAcceptRate: 0.2,
  commitErrorRate: 0.1,
  commitLossRate: 0.1,
  transactionErrorRate: 0.03,
  transactionTimeoutRate: 0.03,
} as const satisfies Partial<SimulatedFaults>;

/** Long enough for a committer's default interval to pass meanwhile. */
const SLOW = {
  appendDelayMs: [0, 2000],
  ackDelayMs: [0, 2000],
  commitDelayMs: [0, 400],
  partialAcceptRate: 0.5,
} as const satisfies Partial<SimulatedFaults>;

/** Beside those: what goes wrong while partitions are given up or moved. */
const MOVING = { revocationCommitRefusalRate: 0.5, seekErrorRate: 0.2 } as const satisfies Partial<SimulatedFaults>;

/** Roomy: nothing waits for it. */
const CALM_BOUNDS: Bounds = { maxInFlight: 100, maxReplay: { records: 100 } };

/** Mostly a user's. */
const STEPS: readonly Disturbance["what"][] = ["pause", "seek", "seek", "seek", "replay", "replay", "visit"];

/** Nothing goes wrong. */
export const calmPlan = (settings: Settings, seed: number): DeliveryPlan => ({
  seed,
  records: settings.records,
  partitions: settings.partitions,
  outputPartitions: settings.partitions,
  processes: settings.processes,
  assignor: "range",
  kills: [],
  disturbances: [],
  faults: settings.faults ?? {},
  effectErrorRate: 0,
  bounds: CALM_BOUNDS,
});

/** What goes wrong with effects, with fetching, or with one process that drains in the middle of its work. */
const troubles = (settings: Settings, steps: number, random: Random): readonly Disturbance[] => {
  const kinds: readonly Disturbance["what"][] = [
    ...(settings.processes > 1 ? [] : (["leave"] as const)),
    ...(settings.failing ? (["fail"] as const) : []),
    ...(["slow", "hang"] as const),
  ];
  return Array.from({ length: random.int(1, 3) }, () => ({
    atStep: random.int(1, Math.max(1, Math.ceil(steps * 1.3))),
    what: kinds[random.int(0, kinds.length - 1)] as Disturbance["what"],
  }));
};

/** Nothing but slow effects, and a drain in the middle of the work, which nothing hinders. */
const leavingPlan = (settings: Settings, seed: number, steps: number, random: Random): DeliveryPlan => ({
  ...calmPlan(settings, seed),
  disturbances: [
    ...(random.happens(0.7) ? [{ atStep: 1, what: "slow" as const }] : []),
    { atStep: random.int(1, Math.max(1, steps)), what: "leave" },
  ],
});

/** Nothing but effects that fail, again and again, and in some of them slow answers. */
const failingPlan = (settings: Settings, seed: number, steps: number, random: Random): DeliveryPlan => ({
  ...calmPlan(settings, seed),
  // From the beginning, and then now and again.
  disturbances: [
    random.int(1, 4),
    ...Array.from({ length: random.int(0, 3) }, () => random.int(1, Math.max(1, steps))),
  ].map((atStep) => ({ atStep, what: "fail" as const })),
  faults: settings.faults ?? (random.happens(0.5) ? SLOW : {}),
});

/** Kills, and more than kills, somewhere in the first `steps` steps. */
export const roughPlan = (settings: Settings, seed: number, steps: number): DeliveryPlan => {
  const random = new Random(seed);
  const draw = (): number => random.int(1, Math.max(1, Math.ceil(steps * 1.3)));
  const several = (most: number): number[] => Array.from({ length: random.int(0, most) }, draw).sort((a, b) => a - b);
  const common: readonly Disturbance["what"][] =
    settings.processes > 1 ? ["expire", "leave", "leave", "outage"] : ["expire", "outage"];
  const kinds = settings.steered ? [...common, ...STEPS] : common;
  const kills = several(settings.steered ? 1 : 3);
  const disturbances: Disturbance[] = random.happens(settings.steered ? 0.9 : 0.5)
    ? several(settings.processes + (settings.steered ? 4 : 1)).map((atStep) => ({
        atStep,
        what: kinds[random.int(0, kinds.length - 1)] as Disturbance["what"],
      }))
    : [];
  const rates = { ...(random.happens(0.4) && RATES), ...(random.happens(0.4) && SLOW) };
  const assignor = random.happens(0.5) ? "range" : "cooperative-sticky";
  // Another random source, so that the draws above stay as they are.
  const more = new Random(seed + 0xd15c);
  const bounds = { maxInFlight: more.int(1, 8), maxReplay: { records: more.int(2, 8) } };
  if (settings.processes === 1 && more.happens(0.1)) return { ...leavingPlan(settings, seed, steps, more), bounds };
  if (settings.failing && more.happens(0.25)) return { ...failingPlan(settings, seed, steps, more), bounds };
  const drawn = { ...rates, ...(more.happens(0.3) && MOVING) };
  if (more.happens(0.4)) disturbances.push(...troubles(settings, steps, more));
  if (more.happens(0.1)) disturbances.push({ atStep: more.int(1, Math.max(1, steps)), what: "hold" });
  return {
    ...calmPlan(settings, seed),
    assignor,
    kills,
    disturbances,
    faults: settings.faults ?? drawn,
    effectErrorRate: settings.effectErrorRate,
    bounds,
  };
};
