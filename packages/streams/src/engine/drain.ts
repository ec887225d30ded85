import { type Chunk, DONE, type Pull, type Pulled, WAIT } from "../model/pull.js";
import type { Run } from "./run.js";

export interface DrainLogic<in A> {
  /** Answers `DONE` to stop: the loop then cancels nothing by itself; call `cancel` before. */
  onChunk(chunk: Chunk<A>): typeof DONE | void;
  onComplete(): void;
  onFailure(error: unknown): void;
}

export interface DrainLoop {
  /** Starts, or goes on after `onChunk` answered `DONE`; never while it runs or waits for a wake. */
  resume(): void;
  /** Ends the loop's interest without cancelling upstream. */
  stop(): void;
}

/**
 * Pulls until stopped: the loop of every sink and pump. It yields to the event loop on the budget, and is the only kind
 * of loop that may run without demand (P9).
 */
export const drainLoop = <A>(upstream: Pull<A>, run: Run, logic: DrainLogic<A>): DrainLoop => {
  const { share } = run;
  let stopped = false;
  const loop = (): void => {
    let pending = 0;
    while (!stopped) {
      if (share.spent(pending)) {
        share.later(loop);
        return;
      }
      let pulled: Pulled<A>;
      try {
        pulled = upstream.pull(loop);
      } catch (error) {
        stopped = true;
        logic.onFailure(error);
        return;
      }
      if (pulled === WAIT) return;
      if (pulled === DONE) {
        stopped = true;
        logic.onComplete();
        return;
      }
      pending = pulled.length;
      if (logic.onChunk(pulled) === DONE) return;
    }
  };
  return {
    resume: loop,
    stop: () => {
      stopped = true;
    },
  };
};
