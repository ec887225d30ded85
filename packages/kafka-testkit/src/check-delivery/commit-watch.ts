import type { DeliveryInput } from "./delivery-world.js";
import type { EffectState, Effects } from "./effects.js";

/** A record whose position was passed too early. */
export interface Passed {
  readonly input: DeliveryInput;
  readonly effect: string;
  /** How far it had come, with the effects of the same record that had happened by then. */
  readonly state: EffectState;
  readonly others: readonly string[];
}

export interface CommitViolation {
  readonly code: "UNSAFE_COMMIT" | "COMMIT_WENT_BACK";
  readonly step: number;
  readonly text: string;
  readonly passed: Passed | undefined;
}

/** Judges every position at the moment the broker stores it (I1, I7). */
export class CommitWatch {
  readonly #effects: Effects;
  readonly #positions = new Map<number, number>();
  readonly violations: CommitViolation[] = [];

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  /** Answers what is wrong with it. */
  stored(partition: number, position: number, step: number): CommitViolation | undefined {
    const before = this.#positions.get(partition) ?? 0;
    this.#positions.set(partition, position);
    const found =
      position < before ? wentBack(partition, before, position, step) : this.#judge(partition, position, step);
    if (found) this.violations.push(found);
    return found;
  }

  #judge(partition: number, position: number, step: number): CommitViolation | undefined {
    const inputs = this.#effects.inputs.filter((input) => input.partition === partition);
    if (position > inputs.length) {
      const text = `position ${position} of partition ${partition} was committed, though it has ${inputs.length} records`;
      return { code: "UNSAFE_COMMIT", step, text, passed: undefined };
    }
    for (const input of inputs) {
      if (input.offset >= position) break;
      const [effect] = this.#effects.undone(input);
      if (effect === undefined) continue;
      const state = this.#effects.stateOf(effect);
      const others = this.#effects.expectedOf(input).filter((id) => this.#effects.stateOf(id) === "done");
      const text =
        `position ${position} of partition ${partition} was committed, which is above offset ${input.offset}, ` +
        `whose effect "${effect}" was ${state}`;
      return { code: "UNSAFE_COMMIT", step, text, passed: { input, effect, state, others } };
    }
    return undefined;
  }
}

const wentBack = (partition: number, before: number, position: number, step: number): CommitViolation => ({
  code: "COMMIT_WENT_BACK",
  step,
  text: `the position of partition ${partition} went back from ${before} to ${position}`,
  passed: undefined,
});
