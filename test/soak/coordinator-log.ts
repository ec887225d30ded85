import type { Interval } from "./life.js";

/** A load of the groups ended, and another one had ended before it. */
const LOADED_TWICE =
  /GroupCoordinator.*Ignored load completion from __consumer_offsets-\d+ because context is in ACTIVE/;
/** The controller has not heard of the broker for its session, though nobody stopped it: groups are unloaded and loaded anew. */
const FENCED = /QuorumController.*Fencing broker \d+ at epoch \d+ because its session has timed out/;
/** The broker comes back, or has loaded the group once, as it should. */
const HEALED = /GroupCoordinator.*(Starting up\.|Loaded (classic )?group )/;

/**
 * What a broker's log tells of a fault of its own. Kafka 4.3, coming back, may load its groups twice at a time. Meanwhile it tells the
 * positions as far as it has read them. And it starts no sessions: a dead member is never given up, and the group waits for it, until
 * the broker comes back another time or the rebalance times out. And one that shares few processors with its clients may miss its own
 * heartbeats, for an idempotent producer of librdkafka takes a core while it waits for an answer: to its clients it is away, and static
 * members of its groups may be refused afterwards, though no connection was lost.
 */
export class CoordinatorLog {
  readonly #faults: Interval[] = [];

  read(line: string, now: number = Date.now()): void {
    const last = this.#faults.at(-1);
    const lasts = last?.until === Infinity;
    if ((LOADED_TWICE.test(line) || FENCED.test(line)) && !lasts) this.#faults.push({ from: now, until: Infinity });
    else if (last && lasts && HEALED.test(line)) this.#faults.splice(-1, 1, { from: last.from, until: now });
  }

  /** In order of time. */
  get faults(): readonly Interval[] {
    return this.#faults;
  }
}
