import { constants, deflateRawSync } from "node:zlib";
import { bitmapThatFits, writeBitmap } from "./bitmap.js";
import { bounded, type Edges, edgesOf, union } from "./edges.js";
import { type FinishedSet, NOTHING_FINISHED } from "./finished-set.js";
import { BITMAP, bodyThatFits, DEFLATED, type Frame, MAX_PAYLOAD, RUNS, sealFrame } from "./frame.js";
import { runsThatFit, writeRuns } from "./runs.js";

/** Compressed attempts at most to find how much fits. */
const MAX_TRIES = 5;

/** An attempt that fills this share of the room ends the search. */
const WELL_FILLED = 0.97;

/**
 * Writes which records above a position are finished, as text for the metadata of a Kafka commit.
 *
 * `finishedOffsets` ascend; those below `position` are left out. `maxBytes` bounds the text, which is ASCII (brokers
 * take 4096 unless `offset.metadata.max.bytes` says otherwise). If not all fit, those nearest the position are kept and
 * the others will be replayed. `carried` is what an earlier owner had finished and is not delivered again yet; it is
 * written too. Returns `undefined` when there is nothing to say, or no room to say it.
 */
export function encodeFinished(
  position: number,
  finishedOffsets: readonly number[],
  maxBytes: number,
  carried: FinishedSet = NOTHING_FINISHED,
): string | undefined {
  const edges = bounded(union(edgesOf(position, finishedOffsets), carried.edgesFrom(position)));
  const frame = fit(edges, bodyThatFits(maxBytes));
  return frame && sealFrame(position, frame);
}

/** The longest prefix found that takes at most `room` bytes; what fits without compression is the least of it. */
function fit(edges: Edges, room: number): Frame | undefined {
  let low = wholeRuns(edges, Math.min(room, MAX_PAYLOAD));
  let high = wholeRuns(edges, MAX_PAYLOAD);
  if (high === 0) return undefined;
  let best = low === 0 ? undefined : pack(edges.subarray(0, low));
  const whole = high === low ? best : pack(edges.subarray(0, high));
  if (whole === undefined || whole.body.length <= room) return whole;
  let lowSize = best?.body.length ?? 0;
  let highSize = whole.body.length;
  for (let tries = 0; tries < MAX_TRIES && high - low > 2 && lowSize < room * WELL_FILLED; tries++) {
    const share = (room - lowSize) / (highSize - lowSize);
    const middle = Math.min(high - 2, Math.max(low + 2, 2 * Math.floor((low + (high - low) * share) / 2)));
    const packed = pack(edges.subarray(0, middle));
    if (packed.body.length <= room) {
      best = packed;
      low = middle;
      lowSize = packed.body.length;
    } else {
      high = middle;
      highSize = packed.body.length;
    }
  }
  return best;
}

/** How many edges one form or the other can say in this many bytes, without compression. */
const wholeRuns = (edges: Edges, bytes: number): number =>
  Math.max(runsThatFit(edges, bytes), bitmapThatFits(edges, bytes));

/** The smallest of the ways to say the edges. */
function pack(edges: Edges): Frame {
  const plain: Frame[] = [];
  if (runsThatFit(edges, MAX_PAYLOAD) === edges.length) plain.push(frameOf(RUNS, writeRuns(edges)));
  if (bitmapThatFits(edges, MAX_PAYLOAD) === edges.length) plain.push(frameOf(BITMAP, writeBitmap(edges)));
  const frames = [...plain, ...plain.map(deflate)];
  return frames.reduce((smallest, frame) => (frame.body.length < smallest.body.length ? frame : smallest));
}

const frameOf = (form: number, payload: Uint8Array): Frame => ({ form, payloadLength: payload.length, body: payload });

const deflate = ({ form, payloadLength, body }: Frame): Frame => ({
  form: form | DEFLATED,
  payloadLength,
  // The default strategy looks for repeats, which are rare here; this one is smaller by a tenth, and faster.
  body: deflateRawSync(body, { strategy: constants.Z_RLE }),
});
