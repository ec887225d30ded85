import type { Cancellable } from "@millrace/streams";
import { failedBy, KafkaConnectorError, type KafkaErrorReason } from "../../errors/errors.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { RecoverySteps } from "./recovery-steps.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** With these librdkafka gives up asking where a group was. */
const UNANSWERED: readonly KafkaErrorReason[] = ["coordinatorUnavailable", "disconnected", "timedOut"];

/** Wait before another attempt where none was possible: while the group rebalances, or partitions are given up. */
const AGAIN_MS = 200;

type Steps = Pick<RecoverySteps, "areAll" | "reassign">;

/**
 * Partitions of which librdkafka could not learn where the group was. It asks once for each assignment; a partition
 * without an answer is never read, and never reported again, unless it is assigned again.
 */
export class MissingStarts {
  readonly #context: SessionContext;
  readonly #steps: Steps;
  readonly #unknown = new Set<OwnedPartition>();
  #beginning = false;
  #timer: Cancellable | undefined;
  #closed = false;

  constructor(context: SessionContext, steps: Steps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** Polling failed, and goes on. The error names no partitions: those that have a position keep it. */
  pollFailed(error: unknown): void {
    const { assignment } = this.#context;
    if (!failedBy(error, ...UNANSWERED) || !this.#steps.areAll) return;
    for (const owned of assignment.partitions) if (owned.reading.from === undefined) this.#unknown.add(owned);
    if (!this.#beginning && !this.#timer) void this.#begin();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #begin(): Promise<void> {
    const { assignment, clock } = this.#context;
    this.#timer = undefined;
    // What was assigned anew meanwhile has been asked for again.
    for (const owned of this.#unknown) {
      if (assignment.get(owned) !== owned || owned.reading.from !== undefined) this.#unknown.delete(owned);
    }
    if (this.#closed || this.#unknown.size === 0) return;
    this.#beginning = true;
    const done = await this.#reassign();
    this.#beginning = false;
    if (done) this.#unknown.clear();
    else if (!this.#closed) this.#timer = clock.schedule(AGAIN_MS, () => void this.#begin());
  }

  /** Whether there is nothing more to try: what the client refuses for good is left to the watchdog. */
  async #reassign(): Promise<boolean> {
    const { logger, settings, life } = this.#context;
    try {
      return await this.#steps.reassign();
    } catch (error) {
      if (error instanceof KafkaConnectorError && error.retriable) return false;
      if (!life.isClosed) {
        const { groupId } = settings;
        logger.warn("kafka consumer: partitions could not be assigned again", { groupId, error });
      }
      return true;
    }
  }
}
