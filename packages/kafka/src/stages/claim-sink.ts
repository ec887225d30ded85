import type { WithClaim } from "@millrace/streams";
import { DONE, drainLoop, type SinkStage } from "@millrace/streams/stage";
import { commitSessions } from "../consumer/run-sessions.js";

/** Ends the claim of every element that arrives; settles once everything finished is committed. */
export const claimSink: SinkStage<WithClaim<unknown>, Promise<void>> = {
  name: "committer",
  traits: { finishes: true },
  create: (upstream, run) =>
    new Promise<void>((resolve, reject) => {
      const end = run.terminal(() => loop.resume());
      const settle = (ended: Promise<void>): void => void ended.then(resolve, reject).finally(end);
      const loop = drainLoop(upstream, {
        onChunk(chunk) {
          try {
            for (const { claim } of chunk) claim.end("processed");
          } catch (error) {
            upstream.cancel(error);
            settle(Promise.reject(error));
            return DONE;
          }
        },
        onComplete: () => settle(commitSessions(run)),
        onFailure: (error) => settle(Promise.reject(error)),
      });
    }),
};
