import type { Logger, RunnableGraph } from "@millrace/streams";
import { type SourceStage, wire, type WiringNode } from "@millrace/streams/stage";
import { KafkaConnectorError } from "../errors.js";
import { bridgedOffsets } from "./bridges.js";
import { type GraphHazard, GraphReport, hazardLines, noteLine } from "./report.js";
import { finishes, type OffsetSurface, walkOffsets } from "./walk.js";

/** A graph was refused, because it can commit an offset whose record is not done. */
export class UnsafeGraphError extends KafkaConnectorError {
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

/** A source whose offsets are committed downstream. */
interface OffsetSource<out Out, out Mat> extends SourceStage<Out, Mat> {
  readonly offsets: OffsetSurface;
}

const surfaceOf = (node: WiringNode): OffsetSurface | undefined =>
  node.kind === "source" && "offsets" in node.stage
    ? (node.stage as OffsetSource<unknown, unknown>).offsets
    : undefined;

/** Makes `source` walk the way of its offsets before each run: hazards refuse the run, notes are logged. */
export const checkingOffsets = <Out, Mat>(
  source: SourceStage<Out, Mat>,
  offsets: OffsetSurface,
  logger: Logger,
): OffsetSource<Out, Mat> => ({
  ...source,
  offsets,
  check(graph, node, { unsafe }) {
    const { hazards, notes } = walkOffsets(graph, node, offsets);
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

/**
 * Walks the way of the offsets from every source of a graph to its committer, without running anything; `run()` refuses
 * a graph with hazards. In tests: `expect(checkGraph(graph).hazards).to.be.empty`.
 */
export const checkGraph = (graph: RunnableGraph<unknown>): GraphReport => {
  const wired = wire(graph.blueprint);
  const reports = wired.flatMap((node) => {
    const surface = surfaceOf(node);
    return surface ? [walkOffsets(wired, node, surface)] : [];
  });
  const bridged = bridgedOffsets(wired, (node) => surfaceOf(node) !== undefined, finishes);
  return new GraphReport(
    reports.flatMap(({ hazards }) => hazards),
    [...reports.flatMap(({ notes }) => notes), ...bridged],
  );
};
