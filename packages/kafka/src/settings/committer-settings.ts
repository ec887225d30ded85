import { z } from "zod";

/** When a committer commits, and what it waits for. */
export interface CommitterSettings {
  /** Offsets gathered before a commit; default 1000. */
  readonly maxBatch?: number;
  /** How long the oldest gathered offset waits, at most; default 1000 ms. */
  readonly maxIntervalMs?: number;
  /** Commits waiting for their acknowledgement; beyond it upstream is held back. Default 10. */
  readonly parallelism?: number;
  /**
   * `sendAndForget` does not wait for the broker's answer: it never holds upstream back, and with `parallelism` commits
   * unanswered goes on gathering beyond `maxBatch`. A commit that fails is logged and counted in `control.metrics()`, never
   * fails the stream, and is made good by a later one. The end of the stream still waits for the last answer. Default:
   * `waitForAck`.
   */
  readonly delivery?: "waitForAck" | "sendAndForget";
  /**
   * Commits the positions of owned partitions again at this interval, in ms, though nothing has finished: for brokers that
   * forget the offsets of a partition without commits (`offsets.retention.minutes`). Since Kafka 2.1 they do so to no group
   * that has members, so only sources with `assignment` need it. A refresh that fails is logged. Default: never.
   */
  readonly refreshIntervalMs?: number;
}

const positive = z.number().int().positive();

interface CommitterShape {
  readonly maxBatch: z.ZodDefault<z.ZodNumber>;
  readonly maxIntervalMs: z.ZodDefault<z.ZodNumber>;
  readonly parallelism: z.ZodDefault<z.ZodNumber>;
  readonly delivery: z.ZodDefault<z.ZodEnum<{ waitForAck: "waitForAck"; sendAndForget: "sendAndForget" }>>;
  readonly refreshIntervalMs: z.ZodOptional<z.ZodNumber>;
}

export const committerShape: CommitterShape = {
  maxBatch: positive.default(1000),
  maxIntervalMs: positive.default(1000),
  parallelism: positive.default(10),
  delivery: z.enum(["waitForAck", "sendAndForget"]).default("waitForAck"),
  // A timer of Node takes no longer one.
  refreshIntervalMs: positive.max(2 ** 31 - 1).optional(),
};

export interface ParsedCommitter extends Required<Omit<CommitterSettings, "refreshIntervalMs">> {
  readonly refreshIntervalMs?: number | undefined;
}
