import { drainLoop } from "../../engine/drain.js";
import { type Chunk, DONE, NO_MORE_ELEMENTS } from "../../model/pull.js";
import type { SinkStage } from "../../model/stage.js";

/** What a sink does; a throw fails the stream, cancels upstream and rejects the materialised promise. */
export interface SinkLogic<in A, out Result> {
  /** Answers `DONE` when it has all it wants. */
  onChunk(chunk: Chunk<A>): typeof DONE | void;
  /** The result, once upstream completed or `onChunk` answered `DONE`. */
  result(): Result;
}

/** A sink that materialises a promise of its result, which settles once what was left early is closed. */
export const drainSink = <A, Result>(
  name: string,
  create: () => SinkLogic<A, Result>,
): SinkStage<A, Promise<Result>> => ({
  name,
  traits: {},
  create: (upstream, run) =>
    new Promise<Result>((resolve, reject) => {
      const logic = create();
      const settle = (): void => {
        let result: Result;
        try {
          result = logic.result();
        } catch (error) {
          fail(error);
          return;
        }
        run.whenClosed((unclosed) => {
          end();
          if (unclosed) reject(unclosed.error);
          else resolve(result);
        });
      };
      const fail = (error: unknown): void => {
        end({ error });
        run.whenClosed(() => reject(error));
      };
      /** A stage whose `cancel` throws is broken; that must show, and must not leave the promise open as well. */
      const leave = (cause: unknown, then: () => void): void => {
        try {
          upstream.cancel(cause);
        } finally {
          then();
        }
      };
      const loop = drainLoop(upstream, run, {
        onChunk(chunk) {
          try {
            if (logic.onChunk(chunk) !== DONE) return;
          } catch (error) {
            leave(error, () => fail(error));
            return DONE;
          }
          leave(NO_MORE_ELEMENTS, settle);
          return DONE;
        },
        onComplete: settle,
        onFailure: fail,
      });
      const end = run.terminal(
        () => loop.resume(),
        (error) => {
          loop.stop();
          leave(error, () => fail(error));
        },
      );
    }),
});
