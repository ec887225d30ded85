import { items, polls } from "./data.js";
import type { UserFunctions } from "./user-functions.js";

export type Sum = number | Promise<number>;

type Pipeline<Input> = (input: Input, user: UserFunctions) => Sum;

/** The same pipelines, as one implementation writes them; one that is absent is not measured. Each answers its checksum. */
export interface Subject {
  readonly "map-filter-map"?: Pipeline<ReturnType<typeof items>>;
  readonly "ten-maps"?: Pipeline<ReturnType<typeof items>>;
  readonly "map-async-16"?: Pipeline<ReturnType<typeof items>>;
  readonly "kafka-shape"?: Pipeline<ReturnType<typeof polls>>;
  readonly "for-await"?: Pipeline<ReturnType<typeof items>>;
}

export type PipelineName = keyof Subject;

export const pipelineNames: readonly PipelineName[] = [
  "map-filter-map",
  "ten-maps",
  "map-async-16",
  "kafka-shape",
  "for-await",
];

/** A function that runs the pipeline over `count` elements; making the input is no part of it. */
export const prepare = (
  subject: Subject,
  pipeline: PipelineName,
  count: number,
  user: UserFunctions,
): (() => Sum) | undefined => {
  if (pipeline === "kafka-shape") {
    const run = subject[pipeline];
    return run && (() => run(polls(count), user));
  }
  const run = subject[pipeline];
  const input = items(count);
  return run && (() => run(input, user));
};
