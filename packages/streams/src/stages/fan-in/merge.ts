import { Inlet, Waker } from "../../engine/inlet.js";
import { DONE, type Pull, type Pulled, type Wake } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Junction } from "../../model/stage.js";

/** An inlet, and how long the run has worked on what came from it. */
interface Side<A> {
  readonly inlet: Inlet<A>;
  usedMs: number;
}

/**
 * Takes what is there, in turn, so that no busy inlet starves another. An inlet that waits for a promise or for input
 * gets a pause: an inlet that is half a slice ahead of it rests, until that one has caught up or has let a turn of the
 * event loop pass.
 */
class Merge<A> implements Pull<A> {
  readonly #waker = new Waker();
  readonly #sides: readonly Side<A>[];
  readonly #share: Run["share"];
  #turn = 0;
  /** Whose chunk downstream handles. */
  #last: Side<A> | undefined;
  #workedMs = 0;
  #rests = false;
  /** Something came while others rested. */
  #came = false;

  constructor(upstreams: readonly Pull<A>[], run: Run) {
    this.#sides = upstreams.map((upstream) => ({ inlet: new Inlet(upstream, this.#waker.notify), usedMs: 0 }));
    this.#share = run.share;
  }

  pull(wake: Wake): Pulled<A> {
    const mostMs = this.#account();
    let open = 0;
    let ahead = false;
    for (let tried = 0; tried < this.#sides.length; tried++) {
      const side = this.#sides[this.#turn] as Side<A>;
      this.#turn = (this.#turn + 1) % this.#sides.length;
      if (!side.inlet.done && !side.inlet.waits) {
        if (side.usedMs > mostMs) ahead = true;
        else {
          const chunk = this.#take(side);
          if (chunk) return chunk;
        }
      }
      if (!side.inlet.done) open += 1;
    }
    if (open === 0) return DONE;
    if (ahead) this.#rest();
    return this.#waker.wait(wake);
  }

  #take(side: Side<A>): readonly A[] | undefined {
    this.#last = side;
    try {
      const chunk = side.inlet.take();
      if (!chunk) this.#account();
      else if (this.#rests) {
        this.#came = true;
        this.#share.visited();
      }
      return chunk;
    } catch (error) {
      this.cancel(error);
      throw error;
    }
  }

  /**
   * Answers how much an inlet may have used to be asked: not much more than the one that used least. What takes longer than
   * a chunk should counts as one that does not: it may be the machine, or code that runs for the first time for all of them.
   */
  #account(): number {
    const workedMs = this.#share.worked();
    const aheadMs = this.#share.sliceMs / 2;
    if (this.#last) this.#last.usedMs += Math.min(workedMs - this.#workedMs, aheadMs);
    this.#workedMs = workedMs;
    let leastMs = Number.POSITIVE_INFINITY;
    for (const { inlet, usedMs } of this.#sides) if (!inlet.done && usedMs < leastMs) leastMs = usedMs;
    return leastMs + aheadMs;
  }

  #rest(): void {
    if (this.#rests) return;
    this.#rests = true;
    this.#came = false;
    this.#share.later(this.#onTurn);
  }

  /** Those that let the turn pass are waited for no longer. */
  readonly #onTurn = (): void => {
    this.#rests = false;
    if (!this.#came) {
      const ready = this.#sides.filter(({ inlet }) => !inlet.done && !inlet.waits);
      const leastMs = ready.reduce((least, { usedMs }) => Math.min(least, usedMs), Number.POSITIVE_INFINITY);
      for (const side of ready.length > 0 ? this.#sides : []) {
        if (side.inlet.waits) side.usedMs = Math.max(side.usedMs, leastMs);
      }
    }
    this.#waker.notify();
  };

  cancel(cause: unknown): void {
    this.#waker.clear();
    for (const { inlet } of this.#sides) inlet.cancel(cause);
  }
}

const MERGE: unique symbol = Symbol.for("millrace.merge");

/** Whether it is this junction, of whichever copy. */
export const isMerge = (junction: object): boolean => MERGE in junction;

export const merge: Junction<unknown, unknown> & { readonly [MERGE]: true } = {
  [MERGE]: true,
  name: "merge",
  traits: { joins: "mixes" },
  create: (upstreams, run) => new Merge(upstreams, run),
};
