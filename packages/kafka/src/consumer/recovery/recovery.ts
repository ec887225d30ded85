import type { Clock, Logger } from "@millrace/streams";
import type { RenewableClient } from "../../client/renewable-client.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import type { Assignment } from "../partitions/assignment.js";
import { ClientExchange } from "./client-exchange.js";
import { ConnectionChecker } from "./connection-checker.js";
import type { FlowControl } from "../reading/flow-control.js";
import { HealthRecord } from "./health.js";
import { HeldStarts } from "./held-starts.js";
import { JoinWatch } from "./join-watch.js";
import { OffsetResets, type OffsetResetsOptions } from "./offset-resets.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { ReadLoop } from "../reading/read-loop.js";
import { RemovedRecords } from "./removed-records.js";
import type { TakingOn } from "../rebalancing/taking-on.js";
import { MissingStarts } from "./missing-starts.js";
import { StaticPlace } from "./static-place.js";
import { RecoverySteps } from "./recovery-steps.js";
import type { StuckPartition } from "./watched-partition.js";
import { Watchdog } from "./watchdog.js";
import type { ParsedConsumer } from "../../settings/parse-consumer.js";
import { CODE } from "../../client/codes.js";

/** What was done where a client, or the cluster, did not behave as it should. */
export interface RecoveryMetrics {
  /** Reads from before where a partition was, which `offsetResetProtection` did not deliver. */
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

export interface RecoveryOptions {
  readonly settings: ParsedConsumer;
  readonly client: RenewableClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly flow: FlowControl;
  readonly reading: ReadLoop;
  readonly takingOn: () => TakingOn;
  readonly life: SessionLife;
}

/** Looks after the client of a session: where it reads, whether it reads, and whether it reaches its brokers. */
export class Recovery {
  readonly health: HealthRecord;
  readonly #options: RecoveryOptions;
  readonly #exchange: ClientExchange;
  readonly resets: OffsetResets;
  readonly removed: RemovedRecords;
  readonly #watchdog: Watchdog | undefined;
  readonly #checker: ConnectionChecker | undefined;
  readonly #missingStarts: MissingStarts;
  readonly #heldStarts: HeldStarts | undefined;
  readonly #staticPlace: StaticPlace | undefined;
  readonly #joinWatch: JoinWatch | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.health = new HealthRecord(options.clock);
    const { settings, client, clock, logger, life, takingOn } = options;
    const { offsetResetProtection: protection, connectionChecker, watchdog, lookupTimeoutMs: timeoutMs } = settings;
    const groupId = settings.groupId ?? "";
    this.removed = new RemovedRecords({ ...{ client, logger, groupId }, timeoutMs });
    const onRead: OffsetResetsOptions["onRead"] = (...read) => this.removed.read(...read);
    this.resets = new OffsetResets({ ...options, protection, timeoutMs, onRead });
    const exchange = new ClientExchange({
      ...options,
      resume: (partitions) => takingOn().resume(partitions),
      subscription: () => takingOn().subscription(),
    });
    this.#exchange = exchange;
    const recoverySteps = new RecoverySteps({ ...options, exchange, timeoutMs });
    const instanceId = settings.properties["group.instance.id"];
    this.#staticPlace =
      instanceId === undefined
        ? undefined
        : new StaticPlace({ ...{ exchange, clock, logger, groupId }, instanceId: String(instanceId) });
    this.#joinWatch = settings.subscription.kind === "assignment" ? undefined : new JoinWatch({ ...options, groupId });
    this.#heldStarts = groupId === "" ? undefined : new HeldStarts({ ...options, timeoutMs });
    this.#missingStarts = new MissingStarts({ ...options, groupId, recoverySteps });
    this.#watchdog =
      watchdog === false
        ? undefined
        : new Watchdog({
            ...options,
            ...{ settings: watchdog, groupId, timeoutMs, recoverySteps },
            isAstray: (owned) => this.resets.isAstray(owned),
          });
    this.#checker =
      connectionChecker &&
      new ConnectionChecker({
        settings: connectionChecker,
        client,
        clock,
        logger,
        timeoutMs,
        onFailed: (error) => life.fail(error),
      });
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

  /** The client reported an error; `then` is what else comes of it. */
  heard(error: Error, then: (error: Error) => void): void {
    this.#staticPlace?.heard(error);
    this.health.heard(error);
    then(error);
  }

  /** Whether another client takes over from one that failed with this, so that the stream goes on. */
  mends(error: unknown): boolean {
    return this.#reconnects(error) || this.#staticPlace?.retakes(error) === true;
  }

  /** The client has lost its brokers for good, and a new one would reach them (`BrokerWatch`). */
  #reconnects(error: unknown): boolean {
    if (!(error instanceof KafkaConnectorError && error.fatal && error.clientCode === CODE.allBrokersDown))
      return false;
    const { underWay } = this.#exchange;
    if (!this.#exchange.begin(0)) return false;
    if (underWay) return true;
    const { logger, settings } = this.#options;
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
