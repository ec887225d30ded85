import type { Clock, Logger } from "@millrace/streams";
import type { RenewableClient } from "../client/renewable-client.js";
import type { ParsedConsumer } from "../settings.js";
import type { Assignment } from "./assignment.js";
import { KafkaConnectorError } from "../errors.js";
import { ConnectionChecker } from "./connection-checker.js";
import type { FlowControl } from "./flow-control.js";
import { OffsetResets } from "./offset-resets.js";
import type { OwnedPartition } from "./owned-partition.js";
import type { ReadLoop } from "./read-loop.js";
import type { TakingOn } from "./taking-on.js";
import { Remedies } from "./watchdog/remedies.js";
import type { StuckPartition } from "./watchdog/watched-partition.js";
import { Watchdog } from "./watchdog/watchdog.js";

/** What was done where a client, or the cluster, did not behave as it should. */
export interface RecoveryMetrics {
  /** Reads from before where a partition was, which `offsetResetProtection` did not deliver. */
  readonly offsetResets: number;
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
  readonly isClosing: () => boolean;
  readonly onFailure: (error: unknown) => void;
}

/** The broker that was asked for the group's positions does not keep them, or not yet. */
const COORDINATOR_CODES: readonly (number | undefined)[] = [14, 15, 16];

/** Looks after the client of a session: where it reads, whether it reads, and whether it reaches its brokers. */
export class Recovery {
  readonly resets: OffsetResets;
  readonly #watchdog: Watchdog | undefined;
  readonly #checker: ConnectionChecker | undefined;
  readonly #remedies: Remedies;
  readonly #options: RecoveryOptions;
  #beginning = false;

  constructor(options: RecoveryOptions) {
    const { settings, client, clock, logger, onFailure, takingOn } = options;
    const { offsetResetProtection: protection, connectionChecker, watchdog, lookupTimeoutMs: timeoutMs } = settings;
    this.resets = new OffsetResets({ ...options, protection, timeoutMs });
    this.#options = options;
    const remedies = new Remedies({
      ...options,
      timeoutMs,
      resume: (partitions) => takingOn().resume(partitions),
      subscription: () => takingOn().subscription(),
    });
    this.#remedies = remedies;
    this.#watchdog =
      watchdog === false
        ? undefined
        : new Watchdog({
            ...options,
            ...{ settings: watchdog, groupId: settings.groupId ?? "", timeoutMs, remedies },
            isAstray: (owned) => this.resets.isAstray(owned),
          });
    this.#checker =
      connectionChecker &&
      new ConnectionChecker({ settings: connectionChecker, client, clock, logger, timeoutMs, onFailed: onFailure });
  }

  start(): void {
    this.#checker?.start();
    this.#watchdog?.start();
  }

  close(): void {
    this.resets.close();
    this.#checker?.close();
    this.#watchdog?.close();
  }

  /**
   * Polling failed, and goes on. librdkafka asks only once where the group was; a partition without an answer is never read
   * unless it is assigned again, which makes it ask again.
   */
  pollFailed(error: unknown): void {
    const { assignment, logger, settings, isClosing } = this.#options;
    if (!(error instanceof KafkaConnectorError && COORDINATOR_CODES.includes(error.clientCode))) return;
    const unknown = [...assignment.partitions].filter((owned) => owned.readsFrom === undefined);
    if (this.#beginning || unknown.length === 0 || !this.#remedies.areAll) return;
    this.#beginning = true;
    this.#remedies
      .reassign()
      .catch((failure: unknown) => {
        if (isClosing()) return;
        const groupId = settings.groupId ?? "";
        logger.warn("kafka consumer: partitions could not be assigned again", { groupId, error: failure });
      })
      .finally(() => {
        this.#beginning = false;
      });
  }

  stuckOf(owned: OwnedPartition): StuckPartition | undefined {
    return this.#watchdog?.stuckOf(owned);
  }

  metrics(): RecoveryMetrics {
    const { probe = 0, seek = 0, reassign = 0, renew = 0 } = this.#watchdog?.steps ?? {};
    return {
      offsetResets: this.resets.count,
      watchdogProbes: probe,
      watchdogSeeks: seek,
      watchdogReassignments: reassign,
      watchdogRenewals: renew,
    };
  }
}
