import { DeliveryCheckError } from "./delivery-check-error.js";
import type { Settings } from "./options.js";
import type { Failure, Outcome } from "./outcome.js";

/** Lines of a history that an error shows: its beginning says little, and its end all. */
const MAX_LINES = 60;

const shortened = (history: readonly string[]): readonly string[] => {
  if (history.length <= MAX_LINES) return history;
  const left = history.length - MAX_LINES + 1;
  return [`      (${left} lines before)`, ...history.slice(left)];
};

const deathText = ({ plan, failure }: Outcome): string => {
  const at = plan.kills.join(", ");
  if (plan.kills.length > 0) return `The process died at step ${at}.`;
  if (failure?.code === "LOST") return "No process died: it is lost all the same.";
  const step = failure?.violation?.step;
  return step === undefined
    ? "No process died."
    : `No process died; one that dies at step ${step} shows what it means.`;
};

/** The error of the shortest history. */
export const deliveryCheckError = (
  outcome: Outcome & { readonly failure: Failure },
  settings: Settings,
  hazard: string | undefined,
  found: string,
): DeliveryCheckError => {
  const { failure, plan, history } = outcome;
  const { records, partitions, processes, seed } = plan;
  const message = [
    `${failure.code}: ${failure.text}.`,
    ...(failure.violation && failure.violation.text !== failure.text
      ? [`At step ${failure.violation.step} ${failure.violation.text}.`]
      : []),
    deathText(outcome),
    `Guarantee ${settings.guarantee}; ${records} records, ${partitions} partitions, ${processes} processes, seed ${seed}; ${found}.`,
    "",
    ...shortened(history),
    "",
    ...(hazard === undefined ? [] : [`This looks like: ${hazard}`, ""]),
    `See it again: checkDelivery(pipeline, { ...options, replay: ${JSON.stringify(plan)} })`,
  ].join("\n");
  return new DeliveryCheckError(failure.code, message, plan, history, failure.cause);
};
