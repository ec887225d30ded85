import type { DeliveryPlan } from "./delivery-plan.js";
import { type DeliveryReport, Tally } from "./delivery-report.js";
import { DeliveryRun } from "./delivery-run.js";
import { calmPlan, roughPlan } from "./draw-plans.js";
import { deliveryCheckError } from "./failure-text.js";
import { hazardOf } from "./hazard.js";
import { type CheckDeliveryOptions, type DeliveryPipeline, type Settings, settingsOf } from "./options.js";
import type { Failure, Outcome } from "./outcome.js";
import { Shrinker } from "./shrink.js";

class Check {
  readonly #pipeline: DeliveryPipeline;
  readonly #settings: Settings;
  readonly #tally = new Tally();

  constructor(pipeline: DeliveryPipeline, settings: Settings) {
    this.#pipeline = pipeline;
    this.#settings = settings;
  }

  async all(): Promise<DeliveryReport> {
    const { seed, runs, exhaustive } = this.#settings;
    const calm = calmPlan(this.#settings, seed);
    const { steps } = await this.#pass(calm);
    for (let step = 1; exhaustive && step <= steps && this.#tally.runs < runs; step++) {
      await this.#pass({ ...calm, kills: [step] });
    }
    for (let drawn = seed + 1; this.#tally.runs < runs; drawn++) {
      await this.#pass(roughPlan(this.#settings, drawn, steps));
    }
    return this.#tally.report();
  }

  async one(plan: DeliveryPlan): Promise<DeliveryReport> {
    const outcome = await this.#run(plan);
    if (outcome.failure) throw this.#error(outcome, "replayed");
    this.#tally.add(outcome);
    return this.#tally.report();
  }

  /** Reports a failure by its shortest known history. */
  async #pass(plan: DeliveryPlan): Promise<Outcome> {
    const outcome = await this.#run(plan);
    this.#tally.add(outcome);
    if (!outcome.failure) return outcome;
    const found = `found in run ${this.#tally.runs}`;
    throw this.#error(await new Shrinker((shorter) => this.#run(shorter)).shrink(outcome), found);
  }

  #run(plan: DeliveryPlan): Promise<Outcome> {
    return new DeliveryRun(this.#pipeline, this.#settings, plan).run();
  }

  #error(outcome: Outcome, found: string): Error {
    const failure = outcome.failure as Failure;
    return deliveryCheckError({ ...outcome, failure }, this.#settings, hazardOf(failure, outcome.graph), found);
  }
}

/**
 * Runs a pipeline again and again on a simulated cluster, kills its process at each step (a record delivered, an effect, a
 * send, an acknowledgement, a commit), starts it again from the committed positions, and verifies that every record has its
 * effects and that no position is committed before them.
 *
 * @example
 * ```ts
 * const report = await checkDelivery(
 *   (world) =>
 *     sourceWithOffsetContext({ kafka: world.kafka, topics: [world.input], value: string() })
 *       .mapAsyncUnordered(4, async (record) => {
 *         await world.effect(record.value);
 *         return record;
 *       })
 *       .toMat(committerSink(), DrainingControl.from),
 *   { guarantee: "at-least-once" },
 * );
 * console.log(String(report));
 * ```
 *
 * The pipeline is built anew for each life of a process and runs in virtual time: everything it does beside the stream goes
 * through `world`, and it keeps nothing outside. Where it materialises a `DrainingControl`, or a `Control` and the promise
 * of its stream, drains are tested too and a stuck pipeline explains itself.
 *
 * First nothing is disturbed; then, for small inputs, a kill at each single step of that run; then seeds with kills,
 * rebalances, outages, lost answers and failing requests drawn at random, up to `runs` runs altogether (default 200).
 *
 * Rejects with a `DeliveryCheckError` that shows the shortest failing history found and how to replay it; with
 * `UNSAFE_GRAPH` where the graph check refuses the graph and `unsafe` gives no reason; and with what the pipeline throws
 * while it is built.
 */
export const checkDelivery = async (
  pipeline: DeliveryPipeline,
  options: CheckDeliveryOptions,
): Promise<DeliveryReport> => {
  const check = new Check(pipeline, settingsOf(options));
  return options.replay ? check.one(options.replay) : check.all();
};
