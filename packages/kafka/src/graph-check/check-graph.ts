import type { Logger, RunnableGraph } from "@millrace/streams";
import { acrossCopies, type SourceStage, wire, type Wiring, type WiringNode } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors/errors.js";
import { bridgedOffsets } from "./bridges.js";
import { type GraphHazard, type GraphNote, GraphReport, hazardLines, noteLine } from "./report.js";
import { finishes, type OffsetSurface, walkOffsets } from "./walk.js";

/** A graph was refused, because it can commit an offset whose record is not done. */
export class UnsafeGraphError extends KafkaConnectorError {
  static {
    acrossCopies(this, "UnsafeGraphError");
  }

  override readonly name = "UnsafeGraphError";
  readonly hazards: readonly GraphHazard[];

  constructor(source: string, hazards: readonly GraphHazard[]) {
    super(
      "UNSAFE_GRAPH",
      `${source}: this graph can lose messages, for an offset may be committed before its record is done:\n  ${hazardLines(hazards)}\n` +
        "To run it all the same, say why: run({ unsafe: 'reason' }).",
    );
    this.hazards = hazards;
  }
}

/** Reports on the way of a source's offsets; `node` is the source in `graph`. */
type Look = (graph: Wiring, node: WiringNode) => GraphReport;

/** A source that knows how its graph is looked at. */
interface LookedAt<out Out, out Mat> extends SourceStage<Out, Mat> {
  readonly look: Look;
  /** Its elements have offsets, which are committed downstream. */
  readonly emitsOffsets: boolean;
}

const lookedAt = (node: WiringNode): LookedAt<unknown, unknown> | undefined =>
  node.kind === "source" && "look" in node.stage ? (node.stage as LookedAt<unknown, unknown>) : undefined;

/** Looks before each run: hazards refuse the run, notes are logged. */
const checking = <Out, Mat>(
  source: SourceStage<Out, Mat>,
  emitsOffsets: boolean,
  look: Look,
  logger: Logger,
): LookedAt<Out, Mat> => ({
  ...source,
  emitsOffsets,
  look,
  check(graph, node, { unsafe }) {
    const { hazards, notes } = look(graph, node);
    if (hazards.length > 0 && unsafe === undefined) throw new UnsafeGraphError(node.label, hazards);
    if (hazards.length > 0) {
      logger.warn(`${node.label}: an unsafe graph is run all the same: ${unsafe}\n  ${hazardLines(hazards)}`, {
        unsafe,
        hazards,
      });
    }
    for (const note of notes) {
      logger.info(`${node.label}: ${noteLine(note)}`, { code: note.code, stage: note.stage });
    }
  },
});

/** Makes `source` walk the way of its offsets before each run. */
export const checkingOffsets = <Out, Mat>(
  source: SourceStage<Out, Mat>,
  surface: OffsetSurface,
  logger: Logger,
): LookedAt<Out, Mat> => checking(source, true, (graph, node) => walkOffsets(graph, node, surface), logger);

/** For a source that runs a graph of its own for each partition: it is checked before each run of the source. */
export const checkingInnerGraph = <Out, Mat>(
  source: SourceStage<Out, Mat>,
  graph: () => RunnableGraph<unknown>,
  logger: Logger,
): LookedAt<Out, Mat> => checking(source, false, () => checkGraph(graph()), logger);

/** For a source that emits streams with offsets: their use is known only when they run. */
export const emittingStreams = <Out, Mat>(source: SourceStage<Out, Mat>, logger: Logger): LookedAt<Out, Mat> =>
  checking(source, false, (_, { label }) => new GraphReport([], [uncheckedPartitions(label)]), logger);

/** For a source that runs graphs of its own, the first of them at once: `checkGraph` looks into them. */
export const runningGraphs = <Out, Mat>(
  source: SourceStage<Out, Mat>,
  graph: () => RunnableGraph<unknown>,
): LookedAt<Out, Mat> => ({ ...source, emitsOffsets: false, look: () => checkGraph(graph()) });

const uncheckedPartitions = (source: string): GraphNote => ({
  code: "UNCHECKED_PARTITIONS",
  source,
  stage: source,
  text: "emits the streams of its partitions, which are checked only when each is run; nothing of a partition is delivered before",
  fix: "give the source the graph of a partition as second argument, which is checked before the run and run as soon as a partition is assigned",
});

/**
 * Walks the way of the offsets from every source of a graph to its committer, without running anything, and also in the
 * graphs that sources of partitions and `restarting` are given; `run()` refuses a graph with hazards. In tests:
 * `expect(checkGraph(graph).hazards).to.be.empty`.
 *
 * @example
 * const { hazards, notes } = checkGraph(graph);
 * for (const { code, stage, problem, fix } of hazards) console.log(`${code}: ${stage} ${problem}.\n  Fix: ${fix}.`);
 */
export const checkGraph = (graph: RunnableGraph<unknown>): GraphReport => {
  const wired = wire(graph.blueprint);
  const reports = wired.flatMap((node) => lookedAt(node)?.look(wired, node) ?? []);
  const bridged = bridgedOffsets(wired, (node) => lookedAt(node)?.emitsOffsets === true, finishes);
  return new GraphReport(
    reports.flatMap(({ hazards }) => hazards),
    [...reports.flatMap(({ notes }) => notes), ...bridged],
  );
};
