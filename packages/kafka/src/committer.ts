import { type ClosesContext, type Finished, Flow, Keep, Sink } from "@millrace/streams";
import type { Committable, CommittableOffsetBatch, CommittedBatch } from "./offsets/batch.js";
import type { CommitterSettings, ParsedCommitter } from "./settings/committer-settings.js";
import { committerAttributes } from "./consumer/stages/run-sessions.js";
import { claimSink } from "./consumer/stages/claim-sink.js";
import { commitCollector } from "./consumer/stages/commit-collector.js";
import { parseCommitter } from "./settings/parse.js";

/**
 * Commits offsets in batches, by size and by time.
 * Emits each batch once the broker has answered, with the outcome of each position in its `results`. Backpressures when
 * `parallelism` commits are under way. Completes when upstream has completed and everything gathered is committed; when
 * upstream fails, what was gathered is committed first. A commit that fails fails the stream; adheres to supervision.
 * With `delivery: "sendAndForget"` it emits each batch as it is sent, without results, and does neither.
 *
 * @example
 * .map(({ offset }) => offset)
 * .via(committerFlow({ maxBatch: 100 }))
 * .map(({ results }) => results.filter(({ outcome }) => outcome === "notOwned"))
 */
export function committerFlow(
  settings?: CommitterSettings & { readonly delivery?: "waitForAck" },
): Flow<Committable, CommittedBatch>;
export function committerFlow(settings: CommitterSettings): Flow<Committable, CommittableOffsetBatch>;
export function committerFlow(settings: CommitterSettings = {}): Flow<Committable, CommittableOffsetBatch> {
  return Flow.fromStage(commitCollector(parseCommitter(settings, "committerFlow")));
}

/** Ends a stream of offsets, or a stream of records with their claims. */
export class CommitterSink extends Sink<Committable, Promise<void>> implements ClosesContext<Finished, Promise<void>> {
  readonly withContext: ClosesContext<Finished, Promise<void>>["withContext"];

  constructor(settings: ParsedCommitter) {
    super(Flow.fromStage(commitCollector(settings)).toMat(Sink.ignore, Keep.right).blueprint);
    this.withContext = { sink: Sink.fromStage(claimSink), attributes: committerAttributes(settings) };
  }
}

/**
 * `committerFlow` that ends the stream; the promise settles once everything is committed. With context it ends the
 * claim of every element, and the source commits what is finished by the same settings. An unhandled `ProducerFailure`
 * does not compile in front of it, and fails the stream with `UNHANDLED_FAILURE`.
 *
 * @example
 * .collect((result) => result.passThrough)
 * .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
 * .toMat(committerSink({ maxIntervalMs: 1_000 }), DrainingControl.from);
 */
export const committerSink = (settings: CommitterSettings = {}): CommitterSink =>
  new CommitterSink(parseCommitter(settings, "committerSink"));
