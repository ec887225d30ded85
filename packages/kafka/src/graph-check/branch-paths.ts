import type { WiringInput, WiringNode } from "@millrace/streams/stage";

type ForkNode = Extract<WiringNode, { kind: "fork" }>;
type JunctionNode = Extract<WiringNode, { kind: "junction" }>;

/** A branch of a fork. */
interface Branch {
  readonly fork: ForkNode;
  readonly outlet: number;
  /** The stage by which an element of this branch no longer has its counterpart in the others. */
  readonly spoiledBy: string | undefined;
}

/** The branches around one point of a graph, the outermost first. */
export type Path = readonly Branch[];

type Refuse = (node: WiringNode, problem: string, fix: string) => void;

const isSame = (a: Branch, b: Branch): boolean => a.fork === b.fork && a.outlet === b.outlet;

/** How many branches all paths share. */
const shared = (paths: readonly Path[]): number => {
  const [first = [], ...others] = paths;
  const differs = first.findIndex((branch, at) => others.some((path) => !path[at] || !isSame(branch, path[at])));
  return differs === -1 ? Math.min(...paths.map((path) => path.length)) : differs;
};

/**
 * Checks that each fork is undone, one to one, before its elements end: only then does an element stand for all that
 * was made of its record.
 */
export class BranchPaths {
  readonly #graph: readonly WiringNode[];
  readonly #refuse: Refuse;
  readonly #leaving = new Map<WiringNode, Path>();
  readonly #refused = new Set<WiringNode>();

  constructor(graph: readonly WiringNode[], refuse: Refuse) {
    this.#graph = graph;
    this.#refuse = refuse;
  }

  /** The path of elements behind `node`. */
  leave(node: WiringNode, path: Path): void {
    this.#leaving.set(node, path);
  }

  /** The path of elements that come in by `input`. */
  into({ node, outlet }: WiringInput): Path {
    const path = this.#leaving.get(node) ?? [];
    return node.kind === "fork" ? [...path, { fork: node, outlet, spoiledBy: undefined }] : path;
  }

  /** `node` does not give one output for each input, in order. */
  spoil(path: Path, node: WiringNode): Path {
    const branch = path.at(-1);
    return branch ? [...path.slice(0, -1), { ...branch, spoiledBy: branch.spoiledBy ?? node.label }] : path;
  }

  /** Elements end here: every fork must have been undone. */
  end(path: Path): void {
    for (const { fork } of path) this.#refuseFork(fork);
  }

  join(node: JunctionNode, paths: readonly Path[]): void {
    const [path = []] = paths;
    if (paths.length < 2) {
      // What is joined comes from elsewhere.
      this.leave(node, node.stage.traits?.joins === "pairs" ? path : this.spoil(path, node));
      return;
    }
    const depth = shared(paths);
    for (const each of paths) this.end(each.slice(depth + 1));
    this.#rejoin(
      node,
      paths.flatMap((each) => each[depth] ?? []),
    );
    this.leave(node, path.slice(0, depth));
  }

  #rejoin(node: JunctionNode, branches: readonly Branch[]): void {
    const fork = branches[0]?.fork;
    if (!fork || this.#refused.has(fork)) return;
    const spoiled = branches.find((branch) => branch.spoiledBy !== undefined);
    if (fork.stage.traits?.to !== "all" || branches.length < this.#outlets(fork)) this.#refuseFork(fork);
    else if (node.stage.traits?.joins !== "pairs") {
      this.#refused.add(fork);
      this.#refuse(
        node,
        `takes what the branches of ${fork.label} emit as it comes, so that an offset may be committed while another branch works on its record`,
        "join the branches by Join.zip(), which waits for one element of each, or use sourceWithOffsetContext, where a record is done when every branch is",
      );
    } else if (spoiled) {
      this.#refused.add(fork);
      this.#refuse(
        node,
        `pairs what the branches of ${fork.label} emit, but ${spoiled.spoiledBy} may drop, add or reorder elements in one of them, so that the pairs are of different records`,
        "let each branch emit one element for each it takes, in order, or use sourceWithOffsetContext, where a record is done when every branch is",
      );
    }
  }

  #refuseFork(fork: ForkNode): void {
    if (this.#refused.has(fork)) return;
    this.#refused.add(fork);
    if (fork.stage.traits?.to === "all") {
      this.#refuse(
        fork,
        "gives each record to several destinations, and its offset is committed when one of them is done",
        "do the other work in map or mapAsync on the way, or join the branches by broadcast([…], Join.zip()), or use sourceWithOffsetContext, where a record is done when every branch is",
      );
    } else {
      this.#refuse(
        fork,
        "sends records different ways, so that those of one way overtake those of another",
        "decide inside one mapAsync and pass on what needs no work, or use sourceWithOffsetContext, where any order is safe",
      );
    }
  }

  #outlets(fork: ForkNode): number {
    return this.#graph.flatMap((node) => node.inputs).filter((input) => input.node === fork).length;
  }
}
