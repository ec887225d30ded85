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

/** A partition that is read again: which of its records need their effects once more. */
interface Rewound {
  readonly offset: number;
  /** How often each effect had happened before. */
  readonly times: ReadonlyMap<string, number>;
}

/** Judges every position at the moment the broker stores it (I1, I7). */
export class CommitWatch {
  readonly #effects: Effects;
  readonly #positions = new Map<number, number>();
  readonly #rewound = new Map<number, Rewound>();
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

  /** A user wants it read from there, so that positions may be lower than before. */
  mayGoBack(partition: number, offset: number): void {
    this.#positions.set(partition, Math.min(offset, this.#positions.get(partition) ?? 0));
    this.#rewound.delete(partition);
  }

  /** It is read from there now, under a new epoch: what was finished before no longer counts. */
  moved(partition: number, offset: number): void {
    this.mayGoBack(partition, offset);
    const again = this.#effects.inputs.filter((input) => input.partition === partition && input.offset >= offset);
    const ids = again.flatMap((input) => this.#effects.expectedOf(input));
    this.#rewound.set(partition, { offset, times: new Map(ids.map((id) => [id, this.#effects.timesOf(id)])) });
  }

  /** The next reader begins at the committed position; a jump is not committed. */
  changesHands(partitions: readonly number[]): void {
    for (const partition of partitions) this.#rewound.delete(partition);
  }

  #undone(input: DeliveryInput): string | undefined {
    const rewound = this.#rewound.get(input.partition);
    const isLeft = (id: string): boolean =>
      rewound !== undefined &&
      input.offset >= rewound.offset &&
      this.#effects.timesOf(id) <= (rewound.times.get(id) ?? -1);
    return this.#effects.undone(input)[0] ?? this.#effects.expectedOf(input).find(isLeft);
  }

  #judge(partition: number, position: number, step: number): CommitViolation | undefined {
    const inputs = this.#effects.inputs.filter((input) => input.partition === partition);
    const end = this.#effects.endOf(partition);
    if (position > end) {
      const text = `position ${position} of partition ${partition} was committed, though it ends at ${end}`;
      return { code: "UNSAFE_COMMIT", step, text, passed: undefined };
    }
    for (const input of inputs) {
      if (input.offset >= position) break;
      const effect = this.#undone(input);
      if (effect === undefined) continue;
      const known = this.#effects.stateOf(effect);
      const state = known === "done" ? "not begun again" : known;
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
