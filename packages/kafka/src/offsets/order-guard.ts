import type { CommittableOffsetBatch } from "./batch.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { OffsetSpans } from "./spans.js";

/**
 * Watches what a committer is given. An offset that comes after a higher one of its partition and epoch proves that the
 * higher one was handed in while the lower was still being worked on. It is found when its batch is about to be
 * committed, so that watching costs nothing per offset. For an assignment that is over it proves no loss: its offsets
 * are inert, and those in flight may come in any order.
 */
export class OrderGuard {
  readonly #seen = new OffsetSpans();

  /** The error to fail with, instead of committing `batch`. */
  refuses(batch: CommittableOffsetBatch, cause: unknown): KafkaConnectorError | undefined {
    const descent = this.#seen.append(batch.spans());
    if (!descent) return undefined;
    const { groupId, topic, partition, first, then } = descent;
    return new KafkaConnectorError(
      "OFFSET_REORDERED",
      `The committer of group ${groupId} was given offset ${then} of ${topic}[${partition}] after offset ${first}, ` +
        "which stands for all records before it: one of them was still being worked on. Nothing from this batch on is " +
        "committed. Keep offsets in order between source and committer (checkGraph shows where it may be lost; add " +
        "them to a CommittableOffsetBatch in the order they come), or use sourceWithOffsetContext, where any order is safe.",
      cause === undefined ? {} : { cause },
    );
  }
}
