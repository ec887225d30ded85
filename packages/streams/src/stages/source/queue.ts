import { Channel } from "../../engine/channel.js";
import type { SourceStage } from "../../model/stage.js";

/** The outcome of an offer. */
export type QueueOfferResult = "enqueued" | "dropped" | "closed";

/** The writing end of `Source.queue`. */
export interface BoundedSourceQueue<in A> {
  /** `dropped` when the bound is reached, `closed` when the stream has ended or was completed. */
  offer(element: A): QueueOfferResult;
  /** Downstream completes after what is queued. */
  complete(): void;
  /** Downstream fails after what is queued. */
  fail(error: unknown): void;
  /** Elements waiting for downstream. */
  readonly size: number;
}

export const queue = <A>(bound: number): SourceStage<A, BoundedSourceQueue<A>> => ({
  name: "queue",
  create(run) {
    const channel = new Channel<A>(run);
    const mat: BoundedSourceQueue<A> = {
      offer(element) {
        if (channel.closed) return "closed";
        if (channel.size >= bound) return "dropped";
        channel.offer(element);
        return "enqueued";
      },
      complete: () => channel.complete(),
      fail: (error) => channel.fail(error),
      get size() {
        return channel.size;
      },
    };
    return { outlet: channel, mat };
  },
});
