import { z } from "zod";
import { byteCount } from "./byte-count.js";
import type { ClientProperties } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";

/** How much of the records a source holds. */
export interface BoundSettings {
  /**
   * Records of one read, at most; default 500: smaller ones cost more to ask for, larger ones live long enough to cost the
   * garbage collector.
   */
  readonly maxPollRecords?: number;
  /**
   * Records read ahead of the stream before reading stops; default 1000. While a stream stalls as much again may come in,
   * one record a poll. The client's own prefetch comes on top.
   */
  readonly maxBufferedRecords?: number;
  /**
   * Bytes read ahead of the stream, over all partitions, before reading stops; default 64 MB. A record always passes, however
   * large it is. At most a sixteenth of it is handed to the stream at a time.
   */
  readonly maxBufferedBytes?: number;
  /**
   * Delivered records of one partition that are not finished, or are finished behind an older one, before that
   * partition is held back; default 10 000. The other partitions go on. It holds for sources with context; where
   * offsets are carried, the stream's own buffers are the bound.
   */
  readonly maxInFlight?: number;
  /** The same over all partitions; default 50 000. */
  readonly maxInFlightTotal?: number;
  /**
   * Bytes of delivered records that are not finished, over all partitions, before delivery pauses; one record always
   * passes. For sources that commit. Default: no limit, for the stages of the stream have theirs.
   */
  readonly maxInFlightBytes?: number;
}

export interface ParsedBounds {
  readonly maxPollRecords: number;
  readonly maxBufferedRecords: number;
  readonly maxBufferedBytes: number;
  readonly maxInFlight: number;
  readonly maxInFlightTotal: number;
  readonly maxInFlightBytes: number | undefined;
}

export type BoundShape = {
  readonly maxPollRecords: z.ZodDefault<z.ZodNumber>;
  readonly maxBufferedRecords: z.ZodDefault<z.ZodNumber>;
  readonly maxBufferedBytes: z.ZodDefault<z.ZodNumber>;
  readonly maxInFlight: z.ZodDefault<z.ZodNumber>;
  readonly maxInFlightTotal: z.ZodDefault<z.ZodNumber>;
  readonly maxInFlightBytes: z.ZodOptional<z.ZodNumber>;
};

const positive = z.number().int().positive();

export const boundShape: BoundShape = {
  maxPollRecords: positive.default(500),
  maxBufferedRecords: positive.default(1000),
  maxBufferedBytes: byteCount.default(64 * 2 ** 20),
  maxInFlight: positive.default(10_000),
  maxInFlightTotal: positive.default(50_000),
  maxInFlightBytes: byteCount.optional(),
};

type Given = Omit<ParsedBounds, "maxInFlightBytes"> & { readonly maxInFlightBytes?: number | undefined };

/** Not settings as a whole, which have the secrets. */
export const boundsOf = (settings: Given): ParsedBounds => ({
  maxPollRecords: settings.maxPollRecords,
  maxBufferedRecords: settings.maxBufferedRecords,
  maxBufferedBytes: settings.maxBufferedBytes,
  maxInFlight: settings.maxInFlight,
  maxInFlightTotal: settings.maxInFlightTotal,
  maxInFlightBytes: settings.maxInFlightBytes,
});

/** Below it a fetch has few records; above it the client's own default is enough for any rate. */
const PREFETCH_KB = { least: 2 ** 10, most: 64 * 2 ** 10 };

/**
 * What the client fetches ahead, a quarter of what is buffered here: as much as one read may exceed its bound by, since
 * a client cannot be asked for bytes. Its fetches are no larger either.
 */
export const prefetch = ({ maxBufferedBytes }: Pick<Given, "maxBufferedBytes">): ClientProperties => {
  const kilobytes = Math.ceil(maxBufferedBytes / 4 / 2 ** 10);
  return { "queued.max.messages.kbytes": Math.min(Math.max(kilobytes, PREFETCH_KB.least), PREFETCH_KB.most) };
};

/** Refuses a bound of unfinished records where records are never finished: it would bound nothing. */
export const requireFinishing = ({ maxInFlightBytes }: ParsedBounds, call: string, opensClaims: boolean): void => {
  if (maxInFlightBytes === undefined || opensClaims) return;
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    `${call}: maxInFlightBytes (${maxInFlightBytes}) bounds records that are not finished, and this source does not know when they are. Remove it, or use committableSource or sourceWithOffsetContext.`,
  );
};
