import { failedBy, isFatal } from "../../errors/errors.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { Rebalancing } from "../rebalancing/rebalancing.js";
import type { Seeking } from "../rebalancing/seeking.js";
import type { SessionContext } from "../rebalancing/session-context.js";
import { ClientExchange } from "./client-exchange.js";
import { ConnectionChecker } from "./connection-checker.js";
import { Ends } from "./ends.js";
import { HealthRecord } from "./health.js";
import { HeldStarts } from "./held-starts.js";
import { JoinWatch } from "./join-watch.js";
import { MissingStarts } from "./missing-starts.js";
import { OffsetResets } from "./offset-resets.js";
import { RecoverySteps } from "./recovery-steps.js";
import { RemadeTopics } from "./remade-topics.js";
import { RemovedRecords } from "./removed-records.js";
import { StaticPlace } from "./static-place.js";
import type { StuckPartition } from "./watched-partition.js";
import { Watchdog } from "./watchdog.js";

/** What was done where a client, or the cluster, did not behave as it should. */
export interface RecoveryMetrics {
  /** How often an offset went backwards, and `offsetResetProtection` did not deliver the records. */
  readonly offsetResets: number;
  /** Offsets whose records the brokers removed before they were read: lost to this group, whatever it does. */
  readonly removedOffsets: number;
  /** How often the watchdog asked for the end of a partition that gave nothing. */
  readonly watchdogProbes: number;
  /** How often it had stuck partitions read anew by a seek, by assigning everything again, by a new client. */
  readonly watchdogSeeks: number;
  readonly watchdogReassignments: number;
  readonly watchdogRenewals: number;
}

/** Looks after the client of a session: where it reads, whether it reads, and whether it reaches its brokers. */
export class Recovery {
  readonly health: HealthRecord;
  readonly resets: OffsetResets;
  readonly removed: RemovedRecords;
  readonly ends: Ends;
  readonly remadeTopics: RemadeTopics;
  readonly #context: SessionContext;
  readonly #exchange: ClientExchange;
  readonly #watchdog: Watchdog | undefined;
  readonly #checker: ConnectionChecker | undefined;
  readonly #missingStarts: MissingStarts;
  readonly #heldStarts: HeldStarts | undefined;
  readonly #staticPlace: StaticPlace | undefined;
  readonly #joinWatch: JoinWatch | undefined;

  constructor(context: SessionContext, rebalancing: Rebalancing, seeking: Seeking) {
    this.#context = context;
    const { settings, clock } = context;
    const { connectionChecker, watchdog } = settings;
    this.health = new HealthRecord(clock);
    this.removed = new RemovedRecords(context);
    this.resets = new OffsetResets(context, this.removed);
    this.ends = new Ends(context, rebalancing.bounds, this.resets, this.removed);
    this.remadeTopics = new RemadeTopics(context, seeking, this.resets);
    this.#exchange = new ClientExchange(context, rebalancing);
    const steps = new RecoverySteps(context, this.#exchange);
    this.#missingStarts = new MissingStarts(context, steps);
    this.#watchdog = watchdog === false ? undefined : new Watchdog(context, watchdog, steps, this.resets);
    this.#checker = connectionChecker && new ConnectionChecker(context, connectionChecker);
    this.#heldStarts = settings.groupId === "" ? undefined : new HeldStarts(context);
    this.#joinWatch = settings.subscription.kind === "assignment" ? undefined : new JoinWatch(context);
    const id = settings.properties["group.instance.id"];
    this.#staticPlace = id === undefined ? undefined : new StaticPlace(context, this.#exchange, String(id));
  }

  /** A broker has answered, and the group is asked for partitions. */
  connected(): void {
    this.health.connected();
    this.#joinWatch?.start();
  }

  start(): void {
    this.#checker?.start();
    this.#watchdog?.start();
  }

  close(): void {
    this.resets.close();
    this.#missingStarts.close();
    this.#heldStarts?.close();
    this.#joinWatch?.close();
    this.#exchange.close();
    this.#checker?.close();
    this.#watchdog?.close();
  }

  taken(partitions: readonly OwnedPartition[], committed: ReadonlyMap<string, number>): void {
    this.removed.taken(partitions, committed);
    this.#heldStarts?.taken(partitions);
    this.#joinWatch?.answered();
    if (partitions.length > 0) this.#staticPlace?.taken();
  }

  /** The client reported an error. */
  heard(error: Error): void {
    this.#staticPlace?.heard(error);
    this.health.heard(error);
  }

  /** Whether another client takes over from one that failed with this, so that the stream goes on. */
  mends(error: unknown): boolean {
    return this.#reconnects(error) || this.#staticPlace?.retakes(error) === true;
  }

  /** The client has lost its brokers for good, and a new one would reach them (`BrokerWatch`). */
  #reconnects(error: unknown): boolean {
    if (!isFatal(error) || !failedBy(error, "brokersDown")) return false;
    const { underWay } = this.#exchange;
    if (!this.#exchange.begin(0)) return false;
    if (underWay) return true;
    const { logger, settings } = this.#context;
    logger.warn(
      "kafka consumer: the client reaches no broker any more, though a new one would; a new one takes its place, and what was in flight is read again",
      { groupId: settings.groupId, error },
    );
    return true;
  }

  /** Polling failed, and goes on. */
  pollFailed(error: unknown): void {
    this.health.heard(error);
    this.#missingStarts.pollFailed(error);
  }

  stuckOf(owned: OwnedPartition): StuckPartition | undefined {
    return this.#watchdog?.stuckOf(owned);
  }

  metrics(): RecoveryMetrics {
    const { probe = 0, seek = 0, reassign = 0, renew = 0 } = this.#watchdog?.steps ?? {};
    return {
      offsetResets: this.resets.count,
      removedOffsets: this.removed.count,
      watchdogProbes: probe,
      watchdogSeeks: seek,
      watchdogReassignments: reassign,
      watchdogRenewals: renew,
    };
  }
}
