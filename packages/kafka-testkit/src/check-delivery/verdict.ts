import { DrainError } from "@millrace/kafka";
import type { CommitViolation } from "./commit-watch.js";
import { type DeliveryPlan, effortOf } from "./delivery-plan.js";
import type { DeliveryInput } from "./delivery-world.js";
import type { Effects } from "./effects.js";
import { errorText } from "./error-text.js";
import type { Settings } from "./options.js";
import type { Failure } from "./outcome.js";

/** What a run has left behind. */
export interface Evidence {
  readonly settings: Settings;
  readonly plan: DeliveryPlan;
  readonly effects: Effects;
  readonly counts: ReadonlyMap<string, number>;
  readonly positions: ReadonlyMap<number, number>;
  readonly violations: readonly CommitViolation[];
  readonly maxReplay: number;
  readonly failsForEver: boolean;
  readonly lastFailure: unknown;
  readonly failedDrains: readonly unknown[];
  /** Of processes that left in the middle of their work, where nothing hindered them. */
  readonly failedLeaves: readonly unknown[];
  /** What a drain did not wait for. */
  readonly endedEarly: string | undefined;
  /** The most records that a kill may repeat. */
  readonly budget: number | undefined;
  readonly explanation: string;
}

const nameOf = ({ id, partition, offset }: DeliveryInput): string =>
  `record ${id} (partition ${partition}, offset ${offset})`;

interface Missing {
  readonly input: DeliveryInput;
  readonly effect: string;
}

const missingOf = ({ effects, counts }: Evidence): readonly Missing[] =>
  effects.inputs.flatMap((input) =>
    effects
      .expectedOf(input)
      .filter((effect) => !counts.has(effect))
      .map((effect) => ({ input, effect })),
  );

const lost = (evidence: Evidence): Failure | undefined => {
  const { positions, violations } = evidence;
  const missing = missingOf(evidence).find(({ input }) => input.offset < (positions.get(input.partition) ?? 0));
  if (!missing) return undefined;
  const { input, effect } = missing;
  const text = `${nameOf(input)} is lost: its effect "${effect}" never happened, and the group's position is ${positions.get(input.partition)}`;
  const violation = violations.find(({ passed }) => passed?.input === input) ?? violations[0];
  return { code: "LOST", text, violation, cause: undefined };
};

const duplicated = ({ settings, effects, counts }: Evidence): Failure | undefined => {
  if (settings.guarantee !== "exactly-once") return undefined;
  for (const input of effects.inputs) {
    const effect = effects.expectedOf(input).find((id) => (counts.get(id) ?? 0) > 1);
    if (effect === undefined) continue;
    const text = `${nameOf(input)} has its effect "${effect}" ${counts.get(effect)} times in the output`;
    return { code: "DUPLICATED", text, violation: undefined, cause: undefined };
  }
  return undefined;
};

const unsafe = ({ violations: [violation] }: Evidence): Failure | undefined =>
  violation && { code: violation.code, text: violation.text, violation, cause: undefined };

const replayed = ({ budget, maxReplay }: Evidence): Failure | undefined => {
  if (budget === undefined || maxReplay <= budget) return undefined;
  const text = `a kill made ${maxReplay} records be worked on again, and maxReplay is ${budget}`;
  return { code: "REPLAY_EXCEEDED", text, violation: undefined, cause: undefined };
};

const unfinished = (evidence: Evidence): Failure | undefined => {
  const { failsForEver, lastFailure, settings, explanation } = evidence;
  const [missing] = missingOf(evidence);
  const what = missing ? `; "${missing.effect}" of ${nameOf(missing.input)} has not happened` : "";
  if (failsForEver) {
    const how = lastFailure === undefined ? "ends by itself" : `fails: ${errorText(lastFailure)}`;
    return {
      code: "ALWAYS_FAILS",
      text: `the stream ${how}, again and again${what}`,
      violation: undefined,
      cause: lastFailure,
    };
  }
  if (!missing) return undefined;
  const text = `nothing disturbs the pipeline for ${settings.withinMs} ms${what}${explanation && `\n${explanation}\n`}`;
  return { code: "STUCK", text, violation: undefined, cause: undefined };
};

/** A drain resolves when the effects of what was delivered have happened, and not before. */
const early = ({ endedEarly }: Evidence): Failure | undefined =>
  endedEarly === undefined
    ? undefined
    : { code: "ENDED_EARLY", text: endedEarly, violation: undefined, cause: undefined };

const brokenDrain = (errors: readonly unknown[]): unknown =>
  errors.find((error) => error instanceof DrainError || !(error instanceof Error && "code" in error));

/** I8, where nothing but deaths disturbed the process, or nothing but its leaving. */
const leaked = ({ plan, failedDrains, failedLeaves }: Evidence): Failure | undefined => {
  const last = effortOf(plan) > plan.kills.length ? undefined : brokenDrain(failedDrains);
  const cause = last ?? brokenDrain(failedLeaves);
  if (cause === undefined) return undefined;
  const when = last === undefined ? "nothing hinders the process" : "all effects have happened";
  return { code: "STUCK", text: `${when}, and a drain failed: ${errorText(cause)}`, violation: undefined, cause };
};

/** The worst of what is wrong with a run, if anything is. */
export const verdict = (evidence: Evidence): Failure | undefined =>
  lost(evidence) ??
  duplicated(evidence) ??
  unsafe(evidence) ??
  replayed(evidence) ??
  early(evidence) ??
  unfinished(evidence) ??
  leaked(evidence);
