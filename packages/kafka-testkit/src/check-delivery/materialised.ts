import type { Control, DrainingControl, DrainReport, RestartingControl } from "@millrace/kafka";
import type { StoredPosition } from "./cluster-events.js";
import type { Steered } from "./user-steps.js";
import { INPUT } from "./world-of.js";

/** What can be done with a running graph, as far as its materialised value offers it. */
export interface Steering {
  /** Drains, leaves and closes; within the default time unless another is given. */
  readonly drain: ((options?: { readonly timeoutMs: number }) => Promise<unknown>) | undefined;
  readonly explain: () => string | undefined;
  /** What a user may steer it by. */
  readonly control: Steered | undefined;
  /** Present for what restarts by itself: it lasts longer than its clients. */
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
      ? (options?: { readonly timeoutMs: number }) => control.drainAndShutdown(options)
      : control &&
        completion &&
        ((options?: { readonly timeoutMs: number }) => control.drainAndShutdown(completion, options));
  const restarting =
    control && "restarts" in control ? { ended: control.isShutdown, stop: () => control.stop() } : undefined;
  return { drain, explain: () => control?.explain().toString(), control, restarting };
};

/** The committed positions of the input in a drain's report, if it is one. */
export const committedIn = (report: unknown): readonly StoredPosition[] => {
  const { partitions = [] } = (report ?? {}) as Partial<Pick<DrainReport, "partitions">>;
  return partitions.flatMap(({ topic, partition, committed }) =>
    topic === INPUT && committed !== undefined ? { partition, position: committed } : [],
  );
};
