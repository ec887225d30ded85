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

const replayed = ({ settings, maxReplay }: Evidence): Failure | undefined => {
  if (settings.maxReplay === undefined || maxReplay <= settings.maxReplay) return undefined;
  const text = `a kill made ${maxReplay} records be worked on again, and maxReplay is ${settings.maxReplay}`;
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

/** I8, where nothing but deaths disturbed the process. */
const leaked = ({ plan, failedDrains }: Evidence): Failure | undefined => {
  if (effortOf(plan) > plan.kills.length) return undefined;
  const cause = failedDrains.find(
    (error) => error instanceof DrainError || !(error instanceof Error && "code" in error),
  );
  if (cause === undefined) return undefined;
  const text = `all effects have happened, and a drain failed: ${errorText(cause)}`;
  return { code: "STUCK", text, violation: undefined, cause };
};

/** The worst of what is wrong with a run, if anything is. */
export const verdict = (evidence: Evidence): Failure | undefined =>
  lost(evidence) ??
  duplicated(evidence) ??
  unsafe(evidence) ??
  replayed(evidence) ??
  unfinished(evidence) ??
  leaked(evidence);
