import { type Edges, MAX_EDGE } from "./edges.js";

/*
 * Edges as the lengths of the runs between them, unfinished first, in turns: each a varint of seven bits a byte, low
 * bits first. Only the first may be 0, so the others are written less one.
 */

/** How many edges, whole runs of finished offsets, fit this many bytes. */
export function runsThatFit(edges: Edges, maxBytes: number): number {
  let fitting = 0;
  let bytes = 0;
  for (let index = 0; index < edges.length; index++) {
    bytes += varintSize(written(edges, index));
    if (bytes > maxBytes) break;
    if (index % 2 === 1) fitting = index + 1;
  }
  return fitting;
}

/** Writes edges as runs. */
export function writeRuns(edges: Edges): Uint8Array {
  const bytes = new Uint8Array(edges.length * 5);
  let at = 0;
  for (let index = 0; index < edges.length; index++) {
    let rest = written(edges, index);
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
  }
  return bytes.subarray(0, at);
}

/** Reads what `writeRuns` wrote; `undefined` if the bytes are no such thing. */
export function readRuns(bytes: Uint8Array): Edges | undefined {
  const edges: number[] = [];
  let edge = 0;
  let run = 0;
  let scale = 1;
  for (const byte of bytes) {
    run += (byte & 127) * scale;
    scale *= 128;
    if (byte > 127 && scale <= MAX_EDGE) continue;
    edge += edges.length === 0 ? run : run + 1;
    if (byte > 127 || edge > MAX_EDGE) return undefined;
    edges.push(edge);
    run = 0;
    scale = 1;
  }
  return scale === 1 && edges.length > 0 && edges.length % 2 === 0 ? Uint32Array.from(edges) : undefined;
}

/** The number that stands for the run which ends at an edge. */
const written = (edges: Edges, index: number): number =>
  index === 0 ? (edges[0] as number) : (edges[index] as number) - (edges[index - 1] as number) - 1;

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest >>>= 7) size += 1;
  return size;
}
