import type { Cancellable } from "@millrace/streams";
import { Backoff } from "../../settings/backoff.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** When it is first logged that the group gives nothing; twice as late each time, up to the longest. */
const FIRST_MS = 10_000;
const LONGEST_MS = 600_000;

/** Logs, at growing intervals, that a consumer has asked its group for partitions and has none, and why that may be. */
export class JoinWatch {
  readonly #context: SessionContext;
  readonly #backoff = new Backoff({ minMs: FIRST_MS, maxMs: LONGEST_MS });
  #waitedMs = 0;
  #answered = false;
  #timer: Cancellable | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  start(): void {
    const { clock, assignment } = this.#context;
    const ms = this.#backoff.next();
    this.close();
    this.#timer = clock.schedule(ms, () => {
      if (assignment.size > 0) return;
      this.#waitedMs += ms;
      this.#log();
      this.start();
    });
  }

  /** The group has answered, even if with nothing. */
  answered(): void {
    this.#answered = true;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #log(): void {
    const { logger, settings } = this.#context;
    const { groupId } = settings;
    // A spare member is no trouble.
    if (this.#answered)
      logger.info("kafka consumer: its group has no partition for it: it has more members than partitions", {
        groupId,
      });
    else
      logger.warn(
        `kafka consumer: its group has not given it any partition for ${this.#waitedMs} ms. It waits while other members finish their work, or for one that ended without leaving, until its session is over (45 s by default), or its topics do not exist`,
        { groupId },
      );
  }
}
