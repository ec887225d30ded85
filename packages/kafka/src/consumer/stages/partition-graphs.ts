import { Flow, type RunnableGraph, Source } from "@millrace/streams";
import { type SourceStage, wire } from "@millrace/streams/stage";
import type { TopicPartition } from "../../client/port.js";
import { builtGraph } from "../../graph-check/built-graph.js";
import { subscriptionText } from "../../settings/subscription-text.js";
import type { Control } from "../control.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { checkingInnerGraph, checkingOffsets, emittingStreams } from "../../graph-check/check-graph.js";
import type { OffsetSurface } from "../../graph-check/walk.js";
import { type ConsumerSourceOptions, stageName } from "./consumer-source.js";
import { partitionRuns } from "./partition-runs.js";
import { partitionedSource } from "./partitioned-source.js";
import { silentLogger } from "../../logging/silent-logger.js";

/**
 * Builds the graph of one partition around its source; its promise is that of the partition's stream. It is called once
 * more before anything runs, for partition 0, so that the graph can be checked: it builds, and does nothing else.
 */
export type PartitionGraph<in S, out T> = (source: S, partition: TopicPartition) => RunnableGraph<Promise<T>>;

export interface Partitions<A, out S> {
  readonly options: ConsumerSourceOptions<A>;
  /** Absent where the elements have no offsets. */
  readonly surface: OffsetSurface | undefined;
  /** The source that an author is given. */
  readonly open: (stage: SourceStage<A, void>) => S;
}

/** One assigned partition and its source. */
type Emitted<S> = TopicPartition & { readonly source: S };

/** The sources of partitions, which the author runs. */
export const emittedPartitions = <A, S>({ options, surface, open }: Partitions<A, S>): Source<Emitted<S>, Control> => {
  requireGroup(options);
  const { logger } = options;
  const stage = partitionedSource(options);
  return Source.fromStage(surface ? emittingStreams(stage, logger) : stage).map((each) => ({
    topic: each.topic,
    partition: each.partition,
    source: open(surface ? checkingOffsets(each.stage, surface, logger) : each.stage),
  }));
};

/** The streams of partitions, each run as soon as it is assigned, and what they resolve with. */
export const runningPartitions = <A, S, T>(
  { options, surface, open }: Partitions<A, S>,
  graph: PartitionGraph<S, T>,
): Source<T, Control> => {
  requireGroup(options);
  const { logger } = options;
  const begun = partitionedSource(options);
  // What there is to note was noted before the run.
  const opened = (stage: SourceStage<A, void>): SourceStage<A, void> =>
    surface ? checkingOffsets(stage, surface, silentLogger) : stage;
  const looked = (): RunnableGraph<unknown> => {
    const stage = opened(unrunnable(options));
    const built = builtGraph(graph(open(stage), examplePartition(options)), options.name);
    requireSource(built, stage, options);
    return built;
  };
  const runs = partitionRuns<A, T>({
    logger,
    graph: ({ topic, partition, stage }) => builtGraph(graph(open(opened(stage)), { topic, partition }), options.name),
  });
  return Source.fromStage(checkingInnerGraph(begun, looked, logger)).via(Flow.fromStage(runs));
};

const requireGroup = ({ name, settings }: ConsumerSourceOptions<unknown>): void => {
  if (settings.subscription.kind !== "assignment") return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${name}: partitions come and go with a group. Subscribe to topics or a topicPattern, or run a source for each assigned partition.`,
  );
};

/** Stands in a graph that is only looked at. */
const unrunnable = (options: ConsumerSourceOptions<unknown>): SourceStage<never, void> => ({
  name: stageName(options),
  create() {
    throw new KafkaConnectorError(
      "SOURCE_REUSED",
      `${stageName(options)}: the graph of a partition was run while it was looked at. Build it and return it; it is run for you.`,
    );
  },
});

const examplePartition = ({ settings: { subscription } }: ConsumerSourceOptions<unknown>): TopicPartition => ({
  topic: (subscription.kind === "topics" && subscription.topics[0]) || subscriptionText(subscription),
  partition: 0,
});

const requireSource = (
  graph: RunnableGraph<unknown>,
  stage: SourceStage<unknown, void>,
  options: ConsumerSourceOptions<unknown>,
): void => {
  if (wire(graph.blueprint).some((node) => node.stage === stage)) return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${options.name}: the graph of a partition does not begin with the source that it was given. Build it around that source.`,
  );
};
