import { inflateRawSync } from "node:zlib";
import { readBitmap } from "./bitmap.js";
import type { Edges } from "./edges.js";
import { FinishedSet, NOTHING_FINISHED } from "./finished-set.js";
import { BITMAP, DEFLATED, type Frame, openFrame, RUNS } from "./frame.js";
import { readParallelConsumer } from "./parallel-consumer.js";
import { readRuns } from "./runs.js";

/** What is read beside Millrace's own metadata. */
export interface DecodeFinishedOptions {
  /**
   * Also reads what Confluent's Parallel Consumer wrote, for a group that moves from it; off by default. Its format has
   * no checksum, so a short foreign text can pass for it, and unfinished records would be skipped.
   */
  readonly parallelConsumer?: boolean;
}

/**
 * Reads which records above a committed position are finished, from the metadata of that commit.
 *
 * Metadata that is missing, foreign, cut short, altered, of another version, or of a commit of another position says
 * nothing: the set is empty, all is replayed, and nothing is thrown. Of Parallel Consumer's formats, which are read on
 * request, those compressed with zstd say nothing either, for Node 20 cannot inflate it.
 */
export function decodeFinished(
  position: number,
  metadata: string | null | undefined,
  { parallelConsumer = false }: DecodeFinishedOptions = {},
): FinishedSet {
  if (!metadata) return NOTHING_FINISHED;
  // Clients that treat the text as a C string send its final NUL too.
  const text = metadata.endsWith("\0") ? metadata.slice(0, -1) : metadata;
  const frame = openFrame(position, text);
  const edges = frame ? readFrame(frame) : parallelConsumer ? readParallelConsumer(text) : undefined;
  return edges ? new FinishedSet(position, edges) : NOTHING_FINISHED;
}

function readFrame(frame: Frame): Edges | undefined {
  const payload = payloadOf(frame);
  if (payload?.length !== frame.payloadLength) return undefined;
  const kind = frame.form & ~DEFLATED;
  if (kind === RUNS) return readRuns(payload);
  return kind === BITMAP ? readBitmap(payload) : undefined;
}

function payloadOf({ form, payloadLength, body }: Frame): Uint8Array | undefined {
  if ((form & DEFLATED) === 0) return body;
  try {
    return inflateRawSync(body, { maxOutputLength: Math.max(1, payloadLength) });
  } catch {
    // The checksum was right, so this is another writer's body: no deflate stream, or longer than it says.
    return undefined;
  }
}
