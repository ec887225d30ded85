import { Supervision } from "@millrace/streams";
import type { StageTraits, Wiring, WiringNode } from "@millrace/streams/stage";
import { byPartition } from "./by-partition.js";
import { BranchPaths, type Path } from "./branch-paths.js";
import { type GraphHazard, type GraphNote, type GraphNoteCode, GraphReport } from "./report.js";

/** How offsets travel from a source: in the elements, or with the claims beside them. */
export type OffsetSurface = "explicit" | "followed";

const FOLLOW = "use sourceWithOffsetContext, where any order is safe";

export const finishes = (node: WiringNode): boolean =>
  (node.kind === "stage" || node.kind === "sink") && node.stage.traits?.finishes === true;

const isUnknown = (node: WiringNode): boolean => node.kind !== "source" && node.stage.traits === undefined;

/** A decider that may answer something else than stop. */
const isSupervised = ({ attributes: { supervision } }: WiringNode): boolean =>
  supervision !== undefined && supervision !== Supervision.stoppingDecider;

/** What stands between a stage that splits the stream into groups and the place where they come together again. */
const insideGroups = (graph: Wiring): ReadonlySet<WiringNode> => {
  const inside = new Set<WiringNode>();
  for (const [end, { kind, stage }] of graph.entries()) {
    if (kind !== "substreamsEnd") continue;
    const begin = graph.findLastIndex((node, at) => at < end && node.kind === "stage" && node.stage === stage);
    for (const node of graph.slice(begin + 1, end)) inside.add(node);
  }
  return inside;
};

/** What can be reached from `source`, up to nodes beyond which `ends` says there is nothing to see. */
const reachable = (graph: Wiring, source: WiringNode, ends: (node: WiringNode) => boolean): ReadonlySet<WiringNode> => {
  const reached = new Set<WiringNode>();
  for (const node of graph) {
    if (node === source || node.inputs.some((input) => reached.has(input.node) && !ends(input.node))) reached.add(node);
  }
  return reached;
};

/** Walks the ways from one source of offsets to its committers, or, without one, to wherever they may be committed by hand. */
class OffsetWalk {
  readonly #source: WiringNode;
  readonly #hazards: GraphHazard[] = [];
  readonly #notes: GraphNote[] = [];
  readonly #branches: BranchPaths;
  /** Nodes through which offsets come to a committer, committers included. */
  readonly #way = new Set<WiringNode>();
  /** Those that feed another node of `#way`. */
  readonly #feeding = new Set<WiringNode>();
  readonly #hasCommitter: boolean;
  /** Those inside the groups of a stage that splits by partition. */
  readonly #inGroups: ReadonlySet<WiringNode>;

  constructor(graph: Wiring, source: WiringNode) {
    this.#source = source;
    const carried = reachable(graph, source, finishes);
    this.#inGroups = insideGroups(graph);
    this.#hasCommitter = [...carried].some(finishes);
    for (const node of graph.toReversed()) {
      if (!carried.has(node)) continue;
      if (this.#hasCommitter && !finishes(node) && !this.#feeding.has(node)) continue;
      this.#way.add(node);
      for (const input of node.inputs) this.#feeding.add(input.node);
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
        "retry inside the function, or send what failed elsewhere and wait for that, before the decider drops it",
      );
    }
    if (this.#hasCommitter) return;
    this.#note(
      "NO_COMMITTER",
      this.#source,
      "has no committer: what is committed by hand, in a function or behind for await, is seen neither by the check nor by the order guard",
      "end the stream in committerSink; or commit in a mapAsync(1), or behind the last stage that works on several records at a time",
    );
  }

  /** Where the claim of an element may end while the element itself is kept. */
  kept(graph: Wiring): void {
    for (const node of reachable(graph, this.#source, finishes)) {
      if (node.kind !== "stage" || !node.stage.traits?.keepsState) continue;
      this.#note(
        "KEEPS_STATE",
        node,
        "keeps a state: a record that stays in it is committed with its own output",
        "keep records in aggregateWithBoundary, whose claims stay with the state",
      );
    }
  }

  report(): GraphReport {
    return new GraphReport(this.#hazards, this.#notes);
  }

  #visit(node: WiringNode): void {
    if (isUnknown(node)) this.#noteUnknown(node);
    if (this.#inGroups.has(node) && this.#endsEarly(node)) this.#noteEnd(node);
    const paths = node.inputs
      .filter((input) => this.#way.has(input.node) && !finishes(input.node))
      .map((input) => this.#branches.into(input));
    const path = paths[0] ?? [];
    if (finishes(node) || node.kind === "sink") this.#branches.end(path);
    else if (node.kind === "junction") this.#branches.join(node, paths);
    else if (node.kind === "stage") this.#branches.leave(node, this.#stage(node, node.stage.traits, path));
    else this.#branches.leave(node, path);
    // The end of what is read by for await, where no sink stands.
    if (!this.#feeding.has(node)) this.#branches.end(this.#branches.into({ node, outlet: 0 }));
  }

  /** The path behind a stage. */
  #stage(node: WiringNode, traits: StageTraits | undefined, path: Path): Path {
    if (traits) this.#judge(node, traits);
    const oneToOne = traits?.order === "kept" && traits.elements === "kept" && !traits.recovers && !isSupervised(node);
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
      this.#note(
        "SKIPS_OFFSETS",
        node,
        "may drop elements: their offsets are committed with the next one that passes",
        "drop only what needs no work, or pass its offset on (passThrough)",
      );
    } else if (traits.elements === "mayAdd") {
      this.#note(
        "ADDS_ELEMENTS",
        node,
        "may emit several elements for one, and which of them has the offset is not seen",
        "give the offset to the last of them only",
      );
    }
    if (traits.recovers) {
      this.#note(
        "RECOVERS_FAILURES",
        node,
        "may emit an element of its own in place of a failure, and an offset in it commits the record that failed",
        "emit nothing that has an offset (CommittableOffsetBatch.empty), or let the stream fail",
      );
    }
  }

  /** It may complete before upstream has: also a pair, with what comes from elsewhere. */
  #endsEarly(node: WiringNode): boolean {
    if (node.kind === "stage") return node.stage.traits?.ends === true;
    const joinsOthers = node.kind === "junction" && node.inputs.some((input) => !this.#way.has(input.node));
    return joinsOthers && node.stage.traits?.joins === "pairs";
  }

  #noteUnknown(node: WiringNode): void {
    this.#note(
      "UNKNOWN_STAGE",
      node,
      "has no traits, so the check knows nothing of it: the order guard watches it",
      "give it traits, and let checkDelivery try it",
    );
  }

  #noteEnd(node: WiringNode): void {
    this.#note(
      "ENDS_GROUP",
      node,
      "may end a group: later records of its partition go nowhere, and their offsets are not committed until it is assigned anew",
      "end the stream as a whole, in front of the groups or behind them, or leave out single records by filter",
    );
  }

  #refuse(code: GraphHazard["code"], { label }: WiringNode, problem: string, fix: string): void {
    this.#hazards.push({ code, source: this.#source.label, stage: label, problem, fix });
  }

  #note(code: GraphNoteCode, { label }: WiringNode, text: string, fix: string): void {
    this.#notes.push({ code, source: this.#source.label, stage: label, text, fix });
  }
}

/** Reports on the way of one source's offsets. */
export const walkOffsets = (graph: Wiring, source: WiringNode, surface: OffsetSurface): GraphReport => {
  const walk = new OffsetWalk(graph, source);
  if (surface === "explicit") walk.offsets(graph);
  else walk.kept(graph);
  walk.committers(graph);
  return walk.report();
};
