import { Supervision } from "@millrace/streams";
import type { StageTraits, Wiring, WiringNode } from "@millrace/streams/stage";
import { byPartition } from "./by-partition.js";
import { BranchPaths, type Path } from "./branch-paths.js";
import { type GraphHazard, type GraphNote, type GraphNoteCode, GraphReport } from "./report.js";

/** How offsets travel from a source: in the elements, or with the claims beside them. */
export type OffsetSurface = "explicit" | "followed";

const FOLLOW = "use sourceWithOffsetContext, where any order is safe";

const finishes = (node: WiringNode): boolean =>
  (node.kind === "stage" || node.kind === "sink") && node.stage.traits?.finishes === true;

const isUnknown = (node: WiringNode): boolean => node.kind !== "source" && node.stage.traits === undefined;

/** A decider that may answer something else than stop. */
const isSupervised = ({ attributes: { supervision } }: WiringNode): boolean =>
  supervision !== undefined && supervision !== Supervision.stoppingDecider;

/** What can be reached from `source`, up to nodes beyond which `ends` says there is nothing to see. */
const reachable = (graph: Wiring, source: WiringNode, ends: (node: WiringNode) => boolean): ReadonlySet<WiringNode> => {
  const reached = new Set<WiringNode>();
  for (const node of graph) {
    if (node === source || node.inputs.some((input) => reached.has(input.node) && !ends(input.node))) reached.add(node);
  }
  return reached;
};

/** Walks the ways from one source of offsets to its committers. */
class OffsetWalk {
  readonly #source: WiringNode;
  readonly #hazards: GraphHazard[] = [];
  readonly #notes: GraphNote[] = [];
  readonly #branches: BranchPaths;
  /** Nodes through which offsets come to a committer, committers included. */
  readonly #way = new Set<WiringNode>();
  readonly #carried: ReadonlySet<WiringNode>;

  constructor(graph: Wiring, source: WiringNode) {
    this.#source = source;
    this.#carried = reachable(graph, source, finishes);
    const feeds = new Set<WiringNode>();
    for (const node of graph.toReversed()) {
      if (!this.#carried.has(node) || !(finishes(node) || feeds.has(node))) continue;
      this.#way.add(node);
      for (const input of node.inputs) feeds.add(input.node);
    }
    this.#branches = new BranchPaths(graph, (node, problem, fix) =>
      this.#refuse("SPLIT_NOT_REJOINED", node, problem, fix),
    );
  }

  committers(graph: Wiring): void {
    const all = [...reachable(graph, this.#source, () => false)].filter(finishes);
    if (all.length < 2) return;
    const labels = all.map(({ label }) => label).join(", ");
    this.#refuse(
      "TWO_COMMITTERS",
      all.at(-1) as WiringNode,
      `is one of ${all.length} committers of this source (${labels}), which know nothing of each other`,
      "keep one committer, at the end of the stream",
    );
  }

  offsets(graph: Wiring): void {
    for (const node of graph) if (this.#way.has(node)) this.#visit(node);
    const supervised = graph.find((node) => this.#way.has(node) && !finishes(node) && isSupervised(node));
    if (supervised) {
      this.#note(
        "SKIPS_FAILURES",
        supervised,
        "has a decider, which may drop an element that failed: its offset is committed with the next one of its partition",
      );
    }
    if (this.#way.size > 0) return;
    for (const node of this.#carried) if (isUnknown(node)) this.#noteUnknown(node);
    this.#note("NO_COMMITTER", this.#source, "has no committer: after a restart its records are read again");
  }

  report(): GraphReport {
    return new GraphReport(this.#hazards, this.#notes);
  }

  #visit(node: WiringNode): void {
    if (isUnknown(node)) this.#noteUnknown(node);
    const paths = node.inputs
      .filter((input) => this.#way.has(input.node) && !finishes(input.node))
      .map((input) => this.#branches.into(input));
    const path = paths[0] ?? [];
    if (finishes(node)) this.#branches.end(path);
    else if (node.kind === "junction") this.#branches.join(node, paths);
    else if (node.kind === "stage") this.#branches.leave(node, this.#stage(node, node.stage.traits, path));
    else this.#branches.leave(node, path);
  }

  /** The path behind a stage. */
  #stage(node: WiringNode, traits: StageTraits | undefined, path: Path): Path {
    if (traits) this.#judge(node, traits);
    const oneToOne = traits?.order === "kept" && traits.elements === "kept" && !isSupervised(node);
    return oneToOne ? path : this.#branches.spoil(path, node);
  }

  #judge(node: WiringNode, traits: StageTraits): void {
    if (traits.order === "lost") {
      this.#refuse(
        "ORDER_LOST",
        node,
        "emits results as they are ready, so that an offset may be committed while an earlier record is worked on",
        `use a stage that keeps the order (mapAsync in place of mapAsyncUnordered), or ${FOLLOW}`,
      );
    } else if (traits.order === "perKey" && traits.key !== byPartition) {
      this.#refuse(
        "GROUPS_SPLIT_PARTITIONS",
        node,
        "keeps order within a key only, and a partition has records of many keys, so that its offsets overtake one another",
        `use groupByPartition, or byPartition as the key, or ${FOLLOW}`,
      );
    }
    if (traits.elements === "lossy") {
      this.#refuse(
        "DROPS_OFFSETS",
        node,
        "may drop elements that no function chose to drop, and the next offset commits their records all the same",
        "hold upstream back instead (buffer with backpressure, batch in place of conflate), or use " +
          "sourceWithOffsetContext, where a dropped record is accounted for",
      );
    } else if (traits.elements === "mayDrop") {
      this.#note("SKIPS_OFFSETS", node, "may drop elements: their offsets are committed with the next one that passes");
    } else if (traits.elements === "mayAdd") {
      this.#note("ADDS_ELEMENTS", node, "may emit several elements for one: give the offset to the last of them only");
    }
  }

  #noteUnknown(node: WiringNode): void {
    this.#note("UNKNOWN_STAGE", node, "has no traits, so the check knows nothing of it: the order guard watches it");
  }

  #refuse(code: GraphHazard["code"], { label }: WiringNode, problem: string, fix: string): void {
    this.#hazards.push({ code, source: this.#source.label, stage: label, problem, fix });
  }

  #note(code: GraphNoteCode, { label }: WiringNode, text: string): void {
    this.#notes.push({ code, source: this.#source.label, stage: label, text });
  }
}

/** What there is to say of the way of one source's offsets. */
export const walkOffsets = (graph: Wiring, source: WiringNode, surface: OffsetSurface): GraphReport => {
  const walk = new OffsetWalk(graph, source);
  if (surface === "explicit") walk.offsets(graph);
  walk.committers(graph);
  return walk.report();
};
