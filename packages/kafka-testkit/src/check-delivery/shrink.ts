import type { DeliveryFault } from "./delivery-check-error.js";
import { type DeliveryPlan, effortOf } from "./delivery-plan.js";
import type { Outcome } from "./outcome.js";

export type Runner = (plan: DeliveryPlan) => Promise<Outcome>;

/** Runs that a search may take, so that a failure is reported within seconds. */
const BUDGET = 300;
/** Seeds tried for each small world: as it is, and with a kill at each of its steps. */
const SEEDS = 12;
const SWEPT_SEEDS = 2;
/** Most records of a small world. */
const FEW = 4;

/** Looks for shorter histories that fail in the same way. */
export class Shrinker {
  readonly #run: Runner;
  #left = BUDGET;

  constructor(run: Runner) {
    this.#run = run;
  }

  async shrink(failed: Outcome): Promise<Outcome> {
    const worse = (await this.#lossOf(failed)) ?? failed;
    const small = await this.#fromSmallest(worse, worse.failure?.code);
    return this.#simplify(small ?? worse);
  }

  /** The loss that an unsafe commit makes possible: a crash right then, or in a small world, says more than the commit. */
  async #lossOf(failed: Outcome): Promise<Outcome | undefined> {
    if (!failed.failure?.violation || failed.failure.code === "LOST") return undefined;
    const killed = await this.#killAtViolation(failed);
    return killed.failure?.code === "LOST" ? killed : this.#fromSmallest(failed, "LOST");
  }

  /** A crash right at an unsafe commit turns what might be lost into what is. */
  async #killAtViolation(failed: Outcome): Promise<Outcome> {
    const violation = failed.failure?.violation;
    if (!violation || failed.failure?.code === "LOST") return failed;
    const plan = {
      ...failed.plan,
      kills: [...failed.plan.kills.filter((step) => step < violation.step), violation.step],
    };
    const killed = await this.#try(plan);
    return killed?.failure?.code === "LOST" ? killed : failed;
  }

  /** The smallest world that fails likewise with nothing but one kill, and the same faults if need be. */
  async #fromSmallest(failed: Outcome, code: DeliveryFault | undefined): Promise<Outcome | undefined> {
    const found = await this.#amongSmall(failed, code, {});
    return (
      found ??
      (Object.keys(failed.plan.faults).length > 0 ? this.#amongSmall(failed, code, failed.plan.faults) : undefined)
    );
  }

  async #amongSmall(
    failed: Outcome,
    code: DeliveryFault | undefined,
    faults: DeliveryPlan["faults"],
  ): Promise<Outcome | undefined> {
    const { plan } = failed;
    for (let records = 1; records <= Math.min(plan.records, FEW); records++) {
      for (let seed = plan.seed; seed < plan.seed + SEEDS; seed++) {
        const calm: DeliveryPlan = {
          ...plan,
          seed,
          records,
          partitions: 1,
          processes: 1,
          kills: [],
          disturbances: [],
          faults,
          effectErrorRate: 0,
        };
        const found = await this.#sweep(calm, failed, code, seed < plan.seed + SWEPT_SEEDS);
        if (found) return found;
      }
    }
    return undefined;
  }

  /** The run without a kill, and then with a kill: where a commit was unsafe, or else at each of its steps. */
  async #sweep(
    calm: DeliveryPlan,
    like: Outcome,
    code: DeliveryFault | undefined,
    everywhere: boolean,
  ): Promise<Outcome | undefined> {
    const first = await this.#try(calm);
    if (!first) return undefined;
    if (first.failure?.code === code) return first;
    const violated = await this.#killAtViolation(first);
    if (violated.failure?.code === code) return violated;
    if (!everywhere || like.failure?.violation || like.plan.kills.length === 0) return undefined;
    for (let step = 1; step <= first.steps; step++) {
      const killed = await this.#try({ ...calm, kills: [step] });
      if (!killed) return undefined;
      if (killed.failure?.code === code) return killed;
    }
    return undefined;
  }

  /** Leaves out one thing after the other, as long as it fails all the same. */
  async #simplify(failed: Outcome): Promise<Outcome> {
    let best = failed;
    for (let again = true; again; ) {
      again = false;
      for (const plan of simplerThan(best.plan)) {
        const simpler = await this.#try(plan);
        if (!simpler) return best;
        if (simpler.failure?.code !== best.failure?.code) continue;
        best = simpler;
        again = true;
        break;
      }
    }
    return best;
  }

  async #try(plan: DeliveryPlan): Promise<Outcome | undefined> {
    if (this.#left === 0) return undefined;
    this.#left -= 1;
    return this.#run(plan);
  }
}

const without = <T>(all: readonly T[]): readonly (readonly T[])[] =>
  all.map((_, left) => all.filter((_each, index) => index !== left));

const simplerThan = (plan: DeliveryPlan): readonly DeliveryPlan[] => [
  ...(Object.keys(plan.faults).length > 0 ? [{ ...plan, faults: {} }] : []),
  ...(plan.effectErrorRate > 0 ? [{ ...plan, effectErrorRate: 0 }] : []),
  ...(plan.processes > 1 ? [{ ...plan, processes: 1 as const }] : []),
  ...without(plan.disturbances).map((disturbances) => ({ ...plan, disturbances })),
  ...without(plan.kills).map((kills) => ({ ...plan, kills })),
  ...(plan.partitions > 1 ? [{ ...plan, partitions: 1 }] : []),
  ...(plan.records > 1 ? [{ ...plan, records: plan.records - 1 }] : []),
  // Leaves out one fault at a time.
  ...(effortOf(plan) > 1
    ? Object.keys(plan.faults).map((name) => ({
        ...plan,
        faults: Object.fromEntries(Object.entries(plan.faults).filter(([other]) => other !== name)),
      }))
    : []),
];
