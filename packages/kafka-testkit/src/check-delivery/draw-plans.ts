import { Random } from "../simulated/random.js";
import type { SimulatedFaults } from "../simulated/faults.js";
import type { DeliveryPlan, Disturbance } from "./delivery-plan.js";
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

/** Of a user, mostly. */
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
  const disturbances = random.happens(settings.steered ? 0.9 : 0.5)
    ? several(settings.processes + (settings.steered ? 4 : 1)).map((atStep) => ({
        atStep,
        what: kinds[random.int(0, kinds.length - 1)] as Disturbance["what"],
      }))
    : [];
  const drawn = { ...(random.happens(0.4) && RATES), ...(random.happens(0.4) && SLOW) };
  const assignor = random.happens(0.5) ? "range" : "cooperative-sticky";
  return {
    ...calmPlan(settings, seed),
    assignor,
    kills,
    disturbances,
    faults: settings.faults ?? drawn,
    effectErrorRate: settings.effectErrorRate,
  };
};
