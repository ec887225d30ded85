import type { Cancellable } from "@millrace/streams";
import type { CommitRequest, Group } from "./group.js";
import type { PartitionLog, StoredRecord, Written } from "./log.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, type Topics } from "./topics.js";

/** What a producer is once it is initialised; a later one with the same id has a higher epoch. */
export interface ProducerIdentity {
  readonly transactionalId: string;
  readonly epoch: number;
}

export type Outcome = "commit" | "abort";

/** The transaction before is still being ended: ask again. */
export const BUSY = "busy";

interface Entry {
  epoch: number;
  timeoutMs: number;
  readonly written: Map<PartitionLog, Written>;
  readonly groups: Set<Group>;
  state: "empty" | "open" | "ending";
  last: Outcome | undefined;
  timer: Cancellable | undefined;
  readonly waiting: (() => void)[];
}

/**
 * The transactions of the cluster, by transactional id. An end is answered as soon as it is decided; the markers, which
 * make it visible, follow, and the next transaction of the id waits for the last of them.
 *
 *     empty ──write, offsets──► open ──end, or timed out, or another producer──► ending ──all markers──► empty
 */
export class TransactionCoordinator {
  readonly #simulation: Simulation;
  readonly #topics: Topics;
  readonly #entries = new Map<string, Entry>();

  constructor(simulation: Simulation, topics: Topics) {
    this.#simulation = simulation;
    this.#topics = topics;
  }

  /** Fences the producers before, and answers once what they left open is ended. */
  init(transactionalId: string, timeoutMs: number, answer: (identity: ProducerIdentity) => void): void {
    let entry = this.#entries.get(transactionalId);
    if (!entry) this.#entries.set(transactionalId, (entry = newEntry()));
    const { epoch } = this.#next(transactionalId, entry);
    if (entry.state === "open") this.#end(transactionalId, entry, "abort");
    const ready = (): void => {
      // Another may have come while this one waited; that one is served, and this one fenced from the start.
      if (entry.epoch === epoch) entry.timeoutMs = timeoutMs;
      answer({ transactionalId, epoch });
    };
    if (entry.state === "ending") entry.waiting.push(ready);
    else ready();
  }

  /** Stores records; answers their first offset, or why not. */
  write(
    identity: ProducerIdentity,
    log: PartitionLog,
    records: readonly Omit<StoredRecord, "topic" | "partition" | "offset">[],
  ): number | typeof BUSY | "fenced" {
    const entry = this.#enter(identity);
    if (typeof entry === "string") return entry;
    let written = entry.written.get(log);
    if (!written) entry.written.set(log, (written = log.begin()));
    const first = log.append(records, written);
    this.#topics.changed();
    return first;
  }

  /** Keeps positions until the end of the transaction; answers the code of the group's refusal. */
  hold(identity: ProducerIdentity, group: Group, request: CommitRequest): number | typeof BUSY | undefined {
    const entry = this.#enter(identity);
    if (entry === "fenced") return CODE.producerFenced;
    if (entry === BUSY) return BUSY;
    entry.groups.add(group);
    return group.hold(entry, request);
  }

  /** Decides; the same decision again changes nothing. Answers the code of a refusal. */
  end(identity: ProducerIdentity, outcome: Outcome): number | undefined {
    const entry = this.#entries.get(identity.transactionalId);
    if (!entry || entry.epoch !== identity.epoch) return CODE.producerFenced;
    if (entry.state === "open") this.#end(identity.transactionalId, entry, outcome);
    return entry.last === outcome ? undefined : CODE.state;
  }

  #enter({ transactionalId, epoch }: ProducerIdentity): Entry | typeof BUSY | "fenced" {
    const entry = this.#entries.get(transactionalId);
    if (!entry || entry.epoch !== epoch) return "fenced";
    if (entry.state === "ending") return BUSY;
    if (entry.state === "empty") {
      entry.state = "open";
      this.#watch(transactionalId, entry);
    }
    return entry;
  }

  #watch(transactionalId: string, entry: Entry): void {
    const broker = this.#simulation.coordinatorOf(transactionalId);
    entry.timer = this.#simulation.schedule(entry.timeoutMs, () => {
      if (this.#simulation.outageLeftMs(broker) > 0) return this.#watch(transactionalId, entry);
      this.#simulation.event(`transaction ${transactionalId}: timed out`);
      this.#next(transactionalId, entry);
      this.#end(transactionalId, entry, "abort");
    });
  }

  #next(transactionalId: string, entry: Entry): Entry {
    entry.epoch += 1;
    this.#simulation.event(`transaction ${transactionalId}: epoch ${entry.epoch}`);
    return entry;
  }

  #end(transactionalId: string, entry: Entry, outcome: Outcome): void {
    entry.timer?.cancel();
    entry.state = "ending";
    entry.last = outcome;
    const where = [...[...entry.written.keys()].map(keyOf), ...[...entry.groups].map(({ id }) => `group ${id}`)];
    this.#simulation.event(`transaction ${transactionalId}: ${outcome} of ${where.join(" ") || "nothing"}`);
    let markers = entry.written.size + entry.groups.size;
    const marked = (): void => {
      markers -= 1;
      this.#topics.changed();
      if (markers <= 0) this.#clear(entry);
    };
    for (const [log, written] of entry.written) {
      const settle = (): void => {
        log.settle(written, outcome === "commit" ? "committed" : "aborted");
        marked();
      };
      this.#simulation.request(this.#simulation.faults.markerDelayMs, settle, this.#topics.leaderOf(log));
    }
    for (const group of entry.groups) {
      const settle = (): void => {
        group.offsets.settle(entry, outcome);
        marked();
      };
      this.#simulation.request(this.#simulation.faults.markerDelayMs, settle, group.broker);
    }
  }

  #clear(entry: Entry): void {
    entry.written.clear();
    entry.groups.clear();
    entry.state = "empty";
    for (const resume of entry.waiting.splice(0)) resume();
  }
}

const newEntry = (): Entry => ({
  epoch: -1,
  timeoutMs: 0,
  written: new Map(),
  groups: new Set(),
  state: "empty",
  last: undefined,
  timer: undefined,
  waiting: [],
});
