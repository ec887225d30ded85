import type { RunnableGraph } from "@millrace/streams";
import { promiseOf } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors/errors.js";

/** The graph that a user's function returned; anything else is refused, also a promise of a graph. */
export const builtGraph = <T>(graph: RunnableGraph<T>, call: string): RunnableGraph<T> => {
  if (typeof (graph as Partial<RunnableGraph<T>> | null | undefined)?.run === "function") return graph;
  promiseOf<unknown>(graph)?.catch(() => undefined);
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: the function that builds the graph has to answer one, at once. Return what toMat(…) gives.`,
  );
};
