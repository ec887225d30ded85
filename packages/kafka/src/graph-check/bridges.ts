import type { Wiring, WiringNode } from "@millrace/streams/stage";
import type { GraphNote } from "./report.js";

/** Sources by the ends they feed. */
type Origins = ReadonlySet<WiringNode>;

const NONE: Origins = new Set();

/**
 * Committers that are fed by a source of another kind than those of offsets. The offsets it emits were taken out of a
 * graph of their own (by `for await`, a queue, a callback), and the way between was not checked.
 */
export const bridgedOffsets = (
  graph: Wiring,
  isOffsetSource: (node: WiringNode) => boolean,
  finishes: (node: WiringNode) => boolean,
): readonly GraphNote[] => {
  /** Sources of other kinds whose elements may come out of a node. */
  const origins = new Map<WiringNode, Origins>();
  const sighted = new Set<WiringNode>();
  const notes: GraphNote[] = [];
  for (const node of graph) {
    const given = node.inputs.map((input) => origins.get(input.node) ?? NONE);
    const isSighted = isOffsetSource(node) || node.inputs.some((input) => sighted.has(input.node));
    // One side of a pair is enough to know where its offset comes from.
    const isPaired = isSighted && node.kind === "junction" && node.stage.traits?.joins === "pairs";
    const foreign = new Set(given.flatMap((each) => [...each]));
    if (finishes(node)) {
      notes.push(...[...foreign].map((source) => noteOf(node, source)));
      continue;
    }
    if (isSighted) sighted.add(node);
    if (node.kind === "source" && !isSighted) foreign.add(node);
    origins.set(node, isPaired ? NONE : foreign);
  }
  return notes;
};

const noteOf = (committer: WiringNode, source: WiringNode): GraphNote => ({
  code: "BRIDGED_OFFSETS",
  source: source.label,
  stage: committer.label,
  text: `commits offsets that come from ${source.label}, and the way from their own source to there is not seen`,
  fix: "let the committer end the graph that the offsets begin in; if it cannot be, keep them in order on all of the way, for only the order guard watches it",
});
