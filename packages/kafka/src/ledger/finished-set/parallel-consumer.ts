import { readBitmap } from "./bitmap.js";
import type { Edges } from "./edges.js";

/*
 * The metadata of Confluent's Parallel Consumer: base64 with padding of one magic byte and a body, numbers big-endian.
 * What it says is relative to the committed offset, and the last offset that it mentions is a finished one.
 *
 *     l  bitmap, v1      number of bits, 2 bytes │ bits, low bits first │ zeros, at least a byte
 *     o  bitmap, v2      the same, the number in 4 bytes
 *     n  runs, v1        lengths of 2 bytes, unfinished first, in turns
 *     e  runs, v2        the same, of 4 bytes
 *     a s J p            each of these compressed with zstd
 *
 * There is no checksum, so all that its writer would never write is refused. Above all the committed offset itself is
 * never a finished one: where it seems to be, nothing had succeeded yet when the metadata was written.
 */

/** Longest text that is looked at. */
const MAX_TEXT = 64 * 1024;

/** Furthest from the position that is believed; its own limits make more unlikely. */
const MAX_SPAN = 2 ** 24;

/** The edges that a text of Parallel Consumer's says; `undefined` if it is none, says nothing, or is compressed. */
export function readParallelConsumer(text: string): Edges | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) return undefined;
  const body = bytes.subarray(1);
  switch (String.fromCharCode(bytes[0] ?? 0)) {
    case "l":
      return readBits(body, 2);
    case "o":
      return readBits(body, 4);
    case "n":
      return readLengths(body, 2);
    case "e":
      return readLengths(body, 4);
    default:
      return undefined;
  }
}

function readBits(body: Buffer, width: 2 | 4): Edges | undefined {
  if (body.length <= width) return undefined;
  const size = body.readUIntBE(0, width);
  const bits = body.subarray(width);
  if (size > MAX_SPAN || bits.length !== Math.ceil(size / 8) + 1) return undefined;
  const edges = readBitmap(bits);
  return edges[0] !== 0 && edges.at(-1) === size ? edges : undefined;
}

function readLengths(body: Buffer, width: 2 | 4): Edges | undefined {
  if (body.length === 0 || body.length % (2 * width) !== 0) return undefined;
  const edges = new Uint32Array(body.length / width);
  const longest = 2 ** (8 * width - 1) - 1;
  let end = 0;
  for (let index = 0; index < edges.length; index++) {
    const length = body.readUIntBE(index * width, width);
    end += length;
    if (length === 0 || length > longest || end > MAX_SPAN) return undefined;
    edges[index] = end;
  }
  return edges;
}
