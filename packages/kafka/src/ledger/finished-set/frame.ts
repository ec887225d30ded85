import { crc32 } from "node:zlib";

/*
 * The text around a payload:
 *
 *     mr1: base64url( form, 1 byte │ payload's length, 2 │ body │ crc32 of these and of the position, 4 )
 *
 * The position is in the checksum and not in the text, so that metadata kept by a tool that moved the position is
 * refused. A colon is no letter of base64: readers of other formats which are base64 refuse ours, rather than misread it.
 */

const PREFIX = "mr1:";

/** What a frame holds beside the body, in bytes. */
const OVERHEAD = 1 + 2 + 4;

/** Longest payload that is written or read, before compression; bounds the memory which hostile metadata can take. */
export const MAX_PAYLOAD: number = 32 * 1024;

/** Longest text that is looked at. */
const MAX_TEXT = 64 * 1024;

/** A form's payload is the lengths of runs… */
export const RUNS = 0;
/** … or a bitmap. */
export const BITMAP = 1;
/** Added to the form of a body that is the payload compressed. */
export const DEFLATED = 2;

/** What a frame holds. */
export interface Frame {
  /** How to read the body. */
  readonly form: number;
  /** Length in bytes of the body once inflated. */
  readonly payloadLength: number;
  readonly body: Uint8Array;
}

/** How many bytes of body fit a text of this many bytes; negative if none do. */
export const bodyThatFits = (maxBytes: number): number =>
  Math.floor(((Math.min(maxBytes, MAX_TEXT) - PREFIX.length) * 3) / 4) - OVERHEAD;

/** Writes the text of a frame, all ASCII. */
export function sealFrame(position: number, { form, payloadLength, body }: Frame): string {
  const bytes = Buffer.alloc(OVERHEAD + body.length);
  bytes[0] = form;
  bytes.writeUInt16LE(payloadLength, 1);
  bytes.set(body, 3);
  bytes.writeUInt32LE(checksum(position, bytes.subarray(0, -4)), bytes.length - 4);
  return PREFIX + bytes.toString("base64url");
}

/** Reads the text of a frame; `undefined` if it is not ours, of another version, cut short, altered, or of another position. */
export function openFrame(position: number, text: string): Frame | undefined {
  if (text.length > MAX_TEXT || !text.startsWith(PREFIX)) return undefined;
  const letters = text.slice(PREFIX.length);
  const bytes = Buffer.from(letters, "base64url");
  // Node skips invalid letters; only the exact text that we would write is ours.
  if (bytes.length <= OVERHEAD || bytes.toString("base64url") !== letters) return undefined;
  if (bytes.readUInt32LE(bytes.length - 4) !== checksum(position, bytes.subarray(0, -4))) return undefined;
  const payloadLength = bytes.readUInt16LE(1);
  if (payloadLength > MAX_PAYLOAD) return undefined;
  return { form: bytes[0] as number, payloadLength, body: bytes.subarray(3, -4) };
}

function checksum(position: number, bytes: Uint8Array): number {
  const suffix = Buffer.alloc(8);
  suffix.writeDoubleLE(position);
  return crc32(suffix, crc32(bytes));
}
