import type { Control, DrainingControl, RestartingControl } from "@millrace/kafka";
import type { Steered } from "./user-steps.js";

/** What can be done with a running graph, as far as its materialised value offers it. */
export interface Steering {
  /** Drains, leaves and closes. */
  readonly drain: (() => Promise<unknown>) | undefined;
  readonly explain: () => string | undefined;
  /** What a user may steer it by. */
  readonly control: Steered | undefined;
  /** Of what restarts by itself: it lasts longer than its clients. */
  readonly restarting: { readonly ended: Promise<void>; readonly stop: () => Promise<void> } | undefined;
}

const has = (value: unknown, ...methods: readonly string[]): boolean =>
  typeof value === "object" &&
  value !== null &&
  methods.every((method) => typeof (value as Record<string, unknown>)[method] === "function");

const isPromise = (value: unknown): value is Promise<unknown> => has(value, "then", "catch");

/**
 * Looks for a `DrainingControl`, or for a `Control` and the promise of its stream, alone or in an array. `onFailure` gets
 * what a promise among them is rejected with.
 */
export const steeringOf = (mat: unknown, onFailure: (error: unknown) => void): Steering => {
  const parts = (Array.isArray(mat) ? mat.flat(Number.POSITIVE_INFINITY) : [mat]) as readonly unknown[];
  const control = parts.find((part) => has(part, "drainAndShutdown", "explain")) as
    | Control
    | DrainingControl<unknown>
    | RestartingControl<unknown>
    | undefined;
  const promises = parts.filter(isPromise);
  const completion = control && "streamCompletion" in control ? control.streamCompletion : promises[0];
  for (const promise of completion ? [completion, ...promises] : promises) promise.catch(onFailure);
  const drain =
    control && "streamCompletion" in control
      ? () => control.drainAndShutdown()
      : control && completion && (() => control.drainAndShutdown(completion));
  const restarting =
    control && "restarts" in control ? { ended: control.isShutdown, stop: () => control.stop() } : undefined;
  return { drain, explain: () => control?.explain().toString(), control, restarting };
};
