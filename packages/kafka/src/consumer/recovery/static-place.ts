import { failedBy } from "../../errors/errors.js";
import type { ClientExchange } from "./client-exchange.js";
import type { SessionContext } from "../rebalancing/session-context.js";

/** Before another client asks for the place. */
const AGAIN_MS = 500;
/** How often it is said that the place is waited for. */
const SAY_MS = 10_000;
/** Twice the longest session that brokers allow by default: a member that has the place for longer is alive. */
const HELD_MS = 120_000;
/** How long after a broker was away being fenced may be due to that. */
const AFTERMATH_MS = 60_000;
/** Most fences after one outage; two living members would fence each other for ever. */
const MOST_FENCES = 3;

type Exchange = Pick<ClientExchange, "begin" | "underWay">;

/**
 * The place of a static member in its group, which a client that is refused it never asks for again.
 *
 * 1. With KIP-848 a member that died keeps its place until its session ends, and whoever comes in its stead is refused.
 * 2. A coordinator that comes back knows those that had joined when it last wrote them down: it takes one that joined
 * since for an old one, and fences it. Both pass, so another client asks. Where another living consumer has the id,
 * they do not.
 */
export class StaticPlace {
  readonly #context: SessionContext;
  readonly #exchange: Exchange;
  readonly #instanceId: string;
  #awayAt = Number.NEGATIVE_INFINITY;
  /** When the place was refused first, and last. */
  #heldSince = 0;
  #heldAt = Number.NEGATIVE_INFINITY;
  #saidAt = Number.NEGATIVE_INFINITY;
  /** Since a broker was away. */
  #fences = 0;

  constructor(context: SessionContext, exchange: Exchange, instanceId: string) {
    this.#context = context;
    this.#exchange = exchange;
    this.#instanceId = instanceId;
  }

  /** The client reported an error. */
  heard(error: Error): void {
    if (!failedBy(error, "disconnected", "brokersDown")) return;
    this.#awayAt = this.#now;
    this.#fences = 0;
  }

  /** It has been assigned something. */
  taken(): void {
    this.#heldAt = Number.NEGATIVE_INFINITY;
  }

  /** Whether another client asks for the place, so that the error fails nothing. */
  retakes(error: unknown): boolean {
    if (!failedBy(error, "memberUnreleased", "memberFenced")) return false;
    if (this.#exchange.underWay) return true;
    const isFenced = failedBy(error, "memberFenced");
    if (!(isFenced ? this.#mayBeAftermath() : this.#mayBeDead(error))) return false;
    // The place of a forgotten member is free; a dead one has it for a while.
    return this.#exchange.begin(isFenced ? 0 : AGAIN_MS);
  }

  get #now(): number {
    return this.#context.clock.now();
  }

  #mayBeDead(error: unknown): boolean {
    const { settings, logger } = this.#context;
    const now = this.#now;
    // A coordinator that was away has started all sessions again.
    if (now - this.#heldAt > AFTERMATH_MS || this.#awayAt > this.#heldSince) this.#heldSince = now;
    this.#heldAt = now;
    const waitedMs = now - this.#heldSince;
    if (waitedMs > HELD_MS) return false;
    if (now - this.#saidAt >= SAY_MS) {
      this.#saidAt = now;
      logger.warn(
        "kafka consumer: the group still has a member with this groupInstanceId. One that died goes when its session ends at the broker, after 45 s by default, and this one takes its place; if a living one has it, give each an id of its own",
        { groupId: settings.groupId, instanceId: this.#instanceId, waitedMs, error },
      );
    }
    return true;
  }

  #mayBeAftermath(): boolean {
    const { settings, logger } = this.#context;
    const now = this.#now;
    if (now - this.#awayAt > AFTERMATH_MS) return false;
    this.#fences += 1;
    if (this.#fences > MOST_FENCES) return false;
    logger.warn(
      "kafka consumer: fenced after a broker was away, which may have forgotten that this member had joined; it joins again. If another living consumer has its groupInstanceId, give each an id of its own",
      { groupId: settings.groupId, instanceId: this.#instanceId },
    );
    return true;
  }
}
