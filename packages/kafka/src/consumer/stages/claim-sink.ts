import type { WithClaim } from "@millrace/streams";
import { DONE, drainLoop, requireFinished, type SinkStage } from "@millrace/streams/stage";
import { commitSessions } from "./run-sessions.js";

/**
 * Ends the claim of every element that arrives. Settles once every terminal of the run has ended, side branches
 * included, and everything finished is committed; rejects as soon as one of them fails.
 */
export const claimSink: SinkStage<WithClaim<unknown>, Promise<void>> = {
  name: "committer",
  traits: { finishes: true },
  create: (upstream, run) =>
    new Promise<void>((resolve, reject) => {
      const leave = (error: unknown): void => {
        upstream.cancel(error);
        end({ error });
      };
      const end = run.terminal(
        () => loop.resume(),
        (error) => {
          loop.stop();
          leave(error);
        },
      );
      const loop = drainLoop(upstream, run, {
        onChunk(chunk) {
          try {
            for (const { value, claim } of chunk) {
              requireFinished(value);
              claim.end("processed");
            }
          } catch (error) {
            leave(error);
            return DONE;
          }
        },
        onComplete: () => end(),
        onFailure: (error) => end({ error }),
      });
      run.drained.catch(reject);
      // Finalisers run in reverse order, so that the consumers, which were built before, are still open.
      run.onEnd(async () => {
        await run.drained;
        await commitSessions(run).then(resolve, reject);
      });
    }),
};
