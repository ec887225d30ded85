import { type RunnableGraph, Sink, Source } from "@millrace/streams";
import { Channel, type SourceStage } from "@millrace/streams/stage";
import { builtGraph } from "./graph-check/built-graph.js";
import type { DrainingControl } from "./consumer/control.js";
import { runningGraphs } from "./graph-check/check-graph.js";
import { parseRestarts, type ParsedRestarts, type RestartSettings } from "./settings/restart-settings.js";
import { RestartingControl } from "./restarting/restarting-control.js";

/** Emits nothing; its stream lasts until no run is left. */
const runs = <T>(
  settings: ParsedRestarts,
  graph: () => RunnableGraph<DrainingControl<T>>,
): SourceStage<never, RestartingControl<T>> => ({
  name: "restarting",
  create(run) {
    const begin = (): DrainingControl<T> => graph().run({ ...run.options, attributes: run.attributes });
    const control = new RestartingControl({ settings, clock: run.clock, begin });
    const outlet = new Channel<never>(run);
    const ended = (): void => outlet.complete();
    control.isShutdown.then(ended, ended);
    return { outlet, mat: control };
  },
});

/**
 * A graph that runs again when it has failed, after a back-off: as a whole, from the committed positions, and only once
 * the previous client is closed, so that it never competes with itself and no offset of a dead run is committed.
 * `graph` builds it anew for each run: at `run()` for the first one, which throws what `graph` throws. Materialises one
 * control for all of them. Ends when a run completes or is stopped; when no restart mends its failure, as wrong
 * settings (also where `graph` throws them); and after `maxRestarts` in a row without progress. What the graph does
 * outside the stream, as a call of `mapAsync` under way, is not interrupted by a failure, and may end after the next
 * run has begun.
 *
 * Throws `INVALID_SETTINGS`.
 *
 * @example
 * const graph = restarting({ minBackoffMs: 1000, maxBackoffMs: 30_000, maxRestarts: 20 }, () =>
 *   sourceWithOffsetContext({
 *     kafka: { brokers: "localhost:9092", groupId: "shipping" },
 *     topics: ["orders"],
 *     value: string(),
 *   })
 *     .mapAsyncUnordered(8, ({ value }) => ship(value))
 *     .toMat(committerSink(), DrainingControl.from),
 * );
 *
 * await runUntilSignal(graph);
 */
export const restarting = <T>(
  settings: RestartSettings,
  graph: () => RunnableGraph<DrainingControl<T>>,
): RunnableGraph<RestartingControl<T>> => {
  const build = (): RunnableGraph<DrainingControl<T>> => builtGraph(graph(), "restarting");
  const stage = runningGraphs(runs(parseRestarts(settings), build), build);
  return Source.fromStage(stage).to(Sink.ignore);
};
