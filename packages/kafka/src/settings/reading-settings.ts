import { z } from "zod";
import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";

/** Where a bounded source ends: where the partitions end now, or at the first record that is as young as the timestamp. */
export type Until = "end" | { readonly timestamp: number };

/** Where to begin with a partition that has no position of its own. */
export type StartAt = "committed" | "beginning" | "end" | { readonly timestamp: number };

/** Positions from elsewhere, for partitions that are assigned now; those left out begin as without it. */
export type OffsetsOnAssign = (
  partitions: readonly TopicPartition[],
) => Promise<readonly TopicPartitionOffset[]> | readonly TopicPartitionOffset[];

export type RebalanceHandler = (partitions: readonly TopicPartition[]) => void | Promise<void>;

/** Handlers of rebalances; awaited, up to `handlerTimeoutMs`. */
export interface RebalanceHandlers {
  /** Before any record of these partitions is read. A failure fails the stream. */
  readonly onAssign?: RebalanceHandler;
  /**
   * Their records are finished and their positions committed, as far as `revokeTimeoutMs` allows; the partitions go to
   * others once the handler has ended. A failure fails the stream.
   */
  readonly onRevoke?: RebalanceHandler;
  /** Others own these partitions already: what was in flight is read again there. A failure fails the stream. */
  readonly onLost?: RebalanceHandler;
  /** The source shuts down; the client is closed after it, which revokes the partitions. A failure is logged. */
  readonly onStop?: RebalanceHandler;
}

/** The user's functions, as they are parsed. */
export type GivenHandlers = { readonly [Name in keyof RebalanceHandlers]?: RebalanceHandler | undefined };

/** Where a source begins and ends, and its handlers of rebalances. */
export interface ReadingSettings extends RebalanceHandlers {
  /**
   * Where reading begins: at the group's committed positions (default), at an end, or at the first record that is not older
   * than the timestamp, in milliseconds since the epoch. A partition of `assignment` with an `offset` or a `timestamp` of
   * its own begins there. Refused for a group subscription that commits: each rebalance would begin again.
   */
  readonly startAt?: StartAt;
  /**
   * The source completes when every partition assigned to it has been delivered up to a bound that is looked up when it is
   * first assigned: its end, or its first record that is not older than the timestamp, else its end. Default: unbounded. A
   * member of a group that is assigned no partition waits for one.
   */
  readonly until?: Until;
  /** How long a look-up of offsets, and a seek, may take; default 10 000 ms. */
  readonly lookupTimeoutMs?: number;
  /**
   * How long reading committed positions is repeated where they cannot be read: an open transaction of a member that is
   * gone holds them until the broker aborts it, which is its `transaction.timeout.ms` and some seconds. Default
   * 75 000 ms, for the 60 000 that are usual there; `0`: once.
   */
  readonly heldPositionsTimeoutMs?: number;
  /** How long a rebalance waits for a handler; default 5000 ms. */
  readonly handlerTimeoutMs?: number;
  /**
   * Of partitioned sources: how long after the stream of a partition has failed or was cancelled its next one is
   * emitted; doubled each time that nothing was finished in between. Default: 200 ms, up to 30 000 ms.
   */
  readonly restartBackoff?: { readonly minMs?: number; readonly maxMs?: number };
}

const timestamp = z.strictObject({ timestamp: z.number().int().nonnegative() });
const handler = z
  .custom<NonNullable<RebalanceHandlers["onAssign"]>>((value) => typeof value === "function", "a function")
  .optional();

export const timestampShape: { readonly timestamp: z.ZodNumber } = timestamp.shape;

type Handler = z.ZodOptional<z.ZodType<NonNullable<RebalanceHandlers["onAssign"]>>>;

export type ReadingShape = {
  readonly startAt: z.ZodDefault<z.ZodType<StartAt>>;
  readonly until: z.ZodOptional<z.ZodType<Until>>;
  readonly lookupTimeoutMs: z.ZodDefault<z.ZodNumber>;
  readonly heldPositionsTimeoutMs: z.ZodDefault<z.ZodNumber>;
  readonly handlerTimeoutMs: z.ZodDefault<z.ZodNumber>;
  readonly restartBackoff: z.ZodDefault<z.ZodType<{ readonly minMs: number; readonly maxMs: number }>>;
  readonly onAssign: Handler;
  readonly onRevoke: Handler;
  readonly onLost: Handler;
  readonly onStop: Handler;
  readonly getOffsetsOnAssign: z.ZodOptional<z.ZodType<OffsetsOnAssign>>;
};

export const readingShape: ReadingShape = {
  startAt: z.union([z.enum(["committed", "beginning", "end"]), timestamp]).default("committed"),
  until: z.union([z.literal("end"), timestamp]).optional(),
  lookupTimeoutMs: z.number().int().positive().default(10_000),
  heldPositionsTimeoutMs: z.number().int().nonnegative().default(75_000),
  handlerTimeoutMs: z.number().int().positive().default(5000),
  restartBackoff: z
    .strictObject({
      minMs: z.number().int().nonnegative().default(200),
      maxMs: z.number().int().positive().default(30_000),
    })
    .default({ minMs: 200, maxMs: 30_000 }),
  onAssign: handler,
  onRevoke: handler,
  onLost: handler,
  onStop: handler,
  getOffsetsOnAssign: z.custom<OffsetsOnAssign>((value) => typeof value === "function", "a function").optional(),
};

interface Parsed extends GivenHandlers {
  readonly startAt: StartAt;
  readonly assignment?: readonly object[] | undefined;
}

/** Refuses what contradicts the subscription. */
export const checkReading = (settings: Parsed, call: string, commits: boolean): void => {
  const refuse = (message: string): never => {
    throw new KafkaConnectorError("INVALID_SETTINGS", `${call}: ${message}`);
  };
  if (commits && settings.startAt !== "committed" && !settings.assignment) {
    refuse(
      "startAt would begin again with each rebalance, in spite of what was committed. Use autoOffsetReset for partitions without a committed position, an assignment, or control.replayFrom.",
    );
  }
  if (!settings.assignment) return;
  const handler = (["onAssign", "onRevoke", "onLost", "onStop"] as const).find((name) => settings[name] !== undefined);
  if (handler) refuse(`${handler} is never called for an assignment, which no group rebalances. Remove it.`);
};
