import { checkGraph } from "@millrace/kafka";
import type { RunnableGraph } from "@millrace/streams";
import type { Passed } from "./commit-watch.js";
import type { Failure } from "./outcome.js";

const guess = ({ state, others }: Passed): string => {
  if (others.length > 0) {
    return (
      "one record with several outputs, finished by the first: give the offset to the last output only " +
      "(produceMulti, or mapConcat with the offset on the last element)"
    );
  }
  if (state === "sent, and not acknowledged") {
    return "a result emitted before its acknowledgement: commit only what producerFlow has emitted";
  }
  if (state === "failed") {
    return (
      "a failure that finished its record: supervision went on without it, and a later offset was committed. Retry it, send " +
      'it elsewhere and wait for that, or say by "expected" that it may be left out'
    );
  }
  if (state === "under way") {
    return (
      "an offset that does not wait for its record: committed before the effect or beside it, or handed on by a stage " +
      "that lets later records overtake (mapAsyncUnordered, merge, groupBy)"
    );
  }
  return (
    "a record left out: dropped, filtered or sent elsewhere before its effect, while a later offset was committed; or its " +
    "offset was committed before the effect began"
  );
};

/** What the failure looks like: what the graph check says of the graph, or else what the history suggests. */
export const hazardOf = (failure: Failure, graph: RunnableGraph<unknown> | undefined): string | undefined => {
  if (failure.code !== "LOST" && failure.code !== "UNSAFE_COMMIT") return undefined;
  const hazards = graph ? checkGraph(graph).hazards : [];
  if (hazards.length > 0) {
    return hazards.map(({ stage, problem, fix, code }) => `${stage} ${problem} (${code}). Fix: ${fix}`).join("\n");
  }
  return failure.violation?.passed && guess(failure.violation.passed);
};
