import { countAtOrBelow, type Edges } from "./edges.js";

/* Edges as one bit per offset from the position on, low bits first, up to the last finished one. */

/** How many edges, whole runs of finished offsets, fit this many bytes. */
export function bitmapThatFits(edges: Edges, maxBytes: number): number {
  const fitting = countAtOrBelow(edges, maxBytes * 8);
  return fitting - (fitting % 2);
}

/** Writes edges as a bitmap. */
export function writeBitmap(edges: Edges): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((edges.at(-1) ?? 0) / 8));
  for (let index = 0; index < edges.length; index += 2) {
    const end = edges[index + 1] as number;
    for (let bit = edges[index] as number; bit < end; bit++) {
      bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7));
    }
  }
  return bytes;
}

/** Reads a bitmap; the bits behind its end count as unfinished. */
export function readBitmap(bytes: Uint8Array): Edges {
  const edges: number[] = [];
  let inside = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    // A byte without a change is the usual one.
    if (byte === (inside === 1 ? 255 : 0)) continue;
    for (let bit = 0; bit < 8; bit++) {
      if (((byte >>> bit) & 1) === inside) continue;
      edges.push(index * 8 + bit);
      inside ^= 1;
    }
  }
  if (inside === 1) edges.push(bytes.length * 8);
  return Uint32Array.from(edges);
}
