import type { RunnableGraph } from "@millrace/streams";
import { committerSink } from "./committer.js";
import { DrainingControl } from "./consumer/control.js";
import { handle } from "./handle.js";
import type { HandlerAttempt } from "./handling/running-attempt.js";
import type { ConsumerRecord } from "./records/messages.js";
import { restarting } from "./restarting.js";
import type { RestartingControl } from "./restarting/restarting-control.js";
import type { CommitterSettings } from "./settings/committer-settings.js";
import type { HandlePolicy } from "./settings/handle-settings.js";
import type { RestartSettings } from "./settings/restart-settings.js";
import { type FollowedSettings, sourceWithOffsetContext } from "./with-offset-context.js";

/** A consumer with its policies: the settings of `sourceWithOffsetContext` and of `handle`, in one. */
export interface ResilientSettings<K, V> extends FollowedSettings<K, V>, Omit<HandlePolicy, "logger" | "random"> {
  /** Called for each record; may throw, and is called again for the same record. */
  readonly handle: (record: ConsumerRecord<K, V>, attempt: HandlerAttempt) => unknown;
  readonly committer?: CommitterSettings;
  /** When it begins again after a failure of its client, or of a record whose `otherwise` is `"stop"`. */
  readonly restart?: Omit<RestartSettings, "logger">;
}

/**
 * A consumer that is ready for what goes wrong, as one value: `sourceWithOffsetContext`, `handle` and `committerSink`, inside of
 * `restarting`. Records of a key stay in order, the others go on; nothing is committed before it is done, left out on purpose, or
 * stored in a dead-letter topic. Throws `INVALID_SETTINGS`.
 *
 * @example
 * const graph = resilient({
 *   kafka: { brokers: "localhost:9092", groupId: "shipping" },
 *   topics: ["orders"],
 *   key: string(),
 *   value: json(Order),
 *   undecodable: deadLetters({ createTopics: true }),
 *   handle: ({ value: order }, { signal, idempotencyKey }) => deliver(order, { signal, idempotencyKey }),
 *   parallelism: 32,
 *   timeoutMs: 10_000,
 *   otherwise: deadLetters({ createTopics: true }),
 * });
 */
export const resilient = <K = string, V = Buffer | null>(
  settings: ResilientSettings<K, V>,
): RunnableGraph<RestartingControl<void>> => {
  const { handle: f, committer, restart, ...rest } = settings;
  const { parallelism, order, attempts, backoff, timeoutMs, retriable, brake, otherwise, ...source } = rest;
  const { logger } = settings.kafka ?? {};
  const given = { parallelism, order, attempts, backoff, timeoutMs, retriable, brake, logger };
  const policy = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const build = (): RunnableGraph<DrainingControl<void>> =>
    sourceWithOffsetContext<K, V>(source as FollowedSettings<K, V>)
      .via(handle(f, { ...policy, otherwise }))
      .map(() => undefined)
      .toMat(committerSink(committer), DrainingControl.from);
  // Refuses settings now, and not only when it is run.
  build();
  return restarting({ ...restart, ...(logger && { logger }) }, build);
};
