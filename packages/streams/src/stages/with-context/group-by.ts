import { Supervision } from "../../attributes.js";
import { type Blueprint, hole, node } from "../../model/blueprint.js";
import { materializeFlow } from "../../engine/materialize.js";
import { DONE, type Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";
import { StreamError } from "../../errors.js";
import { asPart } from "./part.js";

const endedEarly = (): StreamError =>
  new StreamError(
    "INVALID_ARGUMENT",
    "groupBy: a group completed before its elements did, which would leave their claims open; do not complete a group " +
      "from inside, but drop what it does not want with filter, take or takeWhile",
  );

/** A group that ends before its elements do would lose what it holds and what comes after: the stream fails instead. */
const toItsEnd = (flow: Blueprint): Stage<unknown, unknown> => ({
  name: "group",
  create(upstream, run) {
    let completed = false;
    const inlet: Pull<unknown> = {
      pull(wake) {
        const pulled = upstream.pull(wake);
        if (pulled === DONE) completed = true;
        return pulled;
      },
      cancel: (cause) => upstream.cancel(cause),
    };
    const outlet = materializeFlow(flow, inlet, run);
    let failure: StreamError | undefined;
    let cancelled = false;
    return {
      pull(wake) {
        if (cancelled) return DONE;
        const pulled = outlet.pull(wake);
        if (pulled === DONE && !completed) throw (failure ??= endedEarly());
        return pulled;
      },
      cancel(cause) {
        if (cancelled) return;
        cancelled = true;
        outlet.cancel(cause);
      },
    };
  },
});

/** The flow of one group, supervised as the graph is: `run` is the one outside the guard of the key function. */
export const groupFlow = (flow: Blueprint, run: Run | undefined): Blueprint =>
  node("attributes", {
    upstream: node("stage", { upstream: hole, stage: toItsEnd(asPart(flow)) }),
    attributes: { supervision: run?.attributes.supervision ?? Supervision.stoppingDecider },
  });
