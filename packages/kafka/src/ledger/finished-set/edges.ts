/**
 * A set of offsets as the places where membership changes, relative to a position and ascending: the set holds the
 * offsets from the first edge up to the second, from the third up to the fourth, and so on. The number is even.
 *
 *     position + 0 1 2 3 4 5 6
 *     finished       x x   x       edges: 1 3 4 5
 */
export type Edges = Uint32Array;

/** The empty set. */
export const NO_EDGES: Edges = new Uint32Array(0);

/** Furthest distance from the position that an edge can say; what is finished beyond it is replayed. */
export const MAX_EDGE: number = 2 ** 32 - 1;

/**
 * Runs that a set has at most; what lies beyond them is replayed. Eighty letters of metadata can say a hundred thousand, which
 * every commit would go through.
 */
export const MAX_RUNS: number = 2 ** 14;

/** The runs nearest the position, as many as a set may have. */
export const bounded = (edges: Edges): Edges => edges.subarray(0, 2 * MAX_RUNS);

/** The edges of ascending offsets, those below the position left out. */
export function edgesOf(position: number, offsets: readonly number[]): Edges {
  const edges: number[] = [];
  let end = -1;
  for (const offset of offsets) {
    const start = offset - position;
    if (start < 0 || start < end) continue;
    if (start >= MAX_EDGE) break;
    if (start === end) edges.pop();
    else edges.push(start);
    end = start + 1;
    edges.push(end);
  }
  return Uint32Array.from(edges);
}

/** What is in either set. */
export function union(one: Edges, other: Edges): Edges {
  if (one.length === 0) return other;
  if (other.length === 0) return one;
  const edges: number[] = [];
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    const next = Math.min(one[i] ?? Infinity, other[j] ?? Infinity);
    const inside = i % 2 === 1 || j % 2 === 1;
    if (one[i] === next) i += 1;
    if (other[j] === next) j += 1;
    if (inside !== (i % 2 === 1 || j % 2 === 1)) edges.push(next);
  }
  return Uint32Array.from(edges);
}

/** The same set relative to a position that is `distance` further on; empty for one that is further back. */
export function rebase(edges: Edges, distance: number): Edges {
  if (distance < 0) return NO_EDGES;
  const rest = edges.subarray(countAtOrBelow(edges, distance)).map((edge) => edge - distance);
  if (rest.length % 2 === 0) return rest;
  // An odd rest starts inside a run, which then starts at the new position.
  const whole = new Uint32Array(rest.length + 1);
  whole.set(rest, 1);
  return whole;
}

/** How many edges are at or below a distance. */
export function countAtOrBelow(edges: Edges, distance: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] as number) <= distance) low = middle + 1;
    else high = middle;
  }
  return low;
}
