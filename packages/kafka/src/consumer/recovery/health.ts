import type { Clock } from "@millrace/streams";
import { messageOf } from "@millrace/streams/stage";
import { failedBy } from "../../errors/errors.js";

/** What keeps a consumer from its work, or did. */
export type HealthCode =
  /** The stream has failed, or its client has. */
  | "FAILED"
  /** It was stopped, or the stream has completed. */
  | "STOPPED"
  /** No broker has answered yet. */
  | "NOT_CONNECTED"
  /** The group has given it nothing yet. */
  | "NOT_ASSIGNED"
  /** All connections are down. */
  | "BROKERS_UNREACHABLE"
  /** The client reports an error that it outlives, such as a missing topic or authorisation. */
  | "CLIENT_ERROR"
  /** The last commit failed. */
  | "COMMIT_FAILED"
  /** Committed positions cannot be read, as where an open transaction holds them. */
  | "POSITIONS_HELD"
  /** Records wait to be decoded, as where a schema registry cannot be reached. */
  | "DECODER_UNAVAILABLE"
  /** Dead letters cannot be written, so their records wait. */
  | "DEAD_LETTER_FAILED"
  /** What all handlers need is down, so records are tried one at a time. */
  | "HANDLERS_FAILING"
  /** A restarting graph waits for its next run. */
  | "RESTARTING"
  /** The brokers removed records before they were read. It is ready all the same. */
  | "RECORDS_REMOVED";

export interface HealthReason {
  readonly code: HealthCode;
  readonly message: string;
}

/** For the probes of a supervisor. */
export interface Health {
  /** It works, or can get on by itself. Where it is not, end the process. */
  readonly live: boolean;
  /** It has joined its group, reaches its brokers, reads and commits. */
  readonly ready: boolean;
  readonly reasons: readonly HealthReason[];
}

/** How long an error that a client reported counts: it comes again as long as it lasts. */
const RECENT_MS = 30_000;

const HARMLESS: ReadonlySet<HealthCode> = new Set<HealthCode>(["RECORDS_REMOVED"]);
const DEADLY: ReadonlySet<HealthCode> = new Set<HealthCode>(["FAILED", "STOPPED"]);

export const healthOf = (reasons: readonly HealthReason[]): Health => ({
  live: reasons.every(({ code }) => !DEADLY.has(code)),
  ready: reasons.every(({ code }) => HARMLESS.has(code)),
  reasons,
});

/** What else is known of a consumer. */
export interface HealthFacts {
  readonly state: "running" | "stopped" | "closed";
  readonly failure: { readonly error: unknown } | undefined;
  readonly assigned: boolean;
  readonly commitFailure: unknown;
  readonly positionsHeldMs: number | undefined;
  readonly removedOffsets: number;
  /** Of records that wait for long before they are delivered, and of the stages that handle them. */
  readonly more: readonly HealthReason[];
}

/** Remembers what a client has reported. */
export class HealthRecord {
  readonly #clock: Clock;
  #connected = false;
  #last: { readonly error: unknown; readonly at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  connected(): void {
    this.#connected = true;
    this.#last = undefined;
  }

  heard(error: unknown): void {
    this.#last = { error, at: this.#clock.now() };
  }

  /** Something was read, so that what was wrong before is over. */
  read(): void {
    this.#last = undefined;
  }

  troubles(facts: HealthFacts): readonly HealthReason[] {
    const reasons: HealthReason[] = [];
    const add = (code: HealthCode, message: string): void => void reasons.push({ code, message });
    if (facts.failure) add("FAILED", messageOf(facts.failure.error));
    else if (facts.state !== "running") add("STOPPED", `the consumer is ${facts.state}`);
    else this.#addTroubles(facts, add);
    if (facts.removedOffsets > 0)
      add("RECORDS_REMOVED", `${facts.removedOffsets} offsets were removed before they were read`);
    return reasons;
  }

  #addTroubles(facts: HealthFacts, add: (code: HealthCode, message: string) => void): void {
    const { commitFailure, positionsHeldMs, more } = facts;
    if (!this.#connected) add("NOT_CONNECTED", "no broker has answered yet");
    else if (!facts.assigned) add("NOT_ASSIGNED", "the group has not given it anything yet");
    if (this.#last && this.#clock.now() - this.#last.at < RECENT_MS) {
      const { error } = this.#last;
      const isDown = failedBy(error, "brokersDown");
      add(isDown ? "BROKERS_UNREACHABLE" : "CLIENT_ERROR", messageOf(error));
    }
    for (const { code, message } of more) add(code, message);
    if (commitFailure !== undefined) add("COMMIT_FAILED", messageOf(commitFailure));
    if (positionsHeldMs !== undefined)
      add(
        "POSITIONS_HELD",
        `committed positions could not be read for ${Math.round(positionsHeldMs)} ms: an open transaction of a member that is gone may hold them`,
      );
  }
}
