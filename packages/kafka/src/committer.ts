import { Flow, Keep, Sink } from "@millrace/streams";
import type { Committable, CommittableOffsetBatch } from "./committable-offset-batch.js";
import { type CommitterSettings, parseCommitter } from "./settings.js";
import { commitCollector } from "./stages/commit-collector.js";

/**
 * Commits offsets in batches, by size and by time.
 * Emits each batch once the broker has acknowledged it. Backpressures when `parallelism` commits are under way. Completes
 * when upstream has completed and everything gathered is committed; when upstream fails, what was gathered is committed
 * first. A commit that fails fails the stream; adheres to supervision.
 */
export const committerFlow = (settings: CommitterSettings = {}): Flow<Committable, CommittableOffsetBatch> =>
  Flow.fromStage(commitCollector(parseCommitter(settings, "committerFlow")));

/** `committerFlow` that ends the stream; the promise settles once everything is committed. */
export const committerSink = (settings: CommitterSettings = {}): Sink<Committable, Promise<void>> =>
  Flow.fromStage(commitCollector(parseCommitter(settings, "committerSink"))).toMat(Sink.ignore, Keep.right);
