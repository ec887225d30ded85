import type { Clock, Logger } from "@millrace/streams";
import type { ConsumerListener, RecordChunk, TopicPartitionOffset } from "../client/port.js";
import { RenewableClient } from "../client/renewable-client.js";
import { LatestStatistics } from "../client/statistics.js";
import { Auditor } from "../ledger/auditor.js";
import { Assignment } from "./partitions/assignment.js";
import { Bounds } from "./rebalancing/bounds.js";
import { Commits } from "./committing/commits.js";
import { Ends } from "./recovery/ends.js";
import { FlowControl } from "./reading/flow-control.js";
import { GivingUp } from "./rebalancing/giving-up.js";
import type { OwnedPartition } from "./partitions/owned-partition.js";
import { OwnPositions } from "./rebalancing/own-positions.js";
import type { SessionLife } from "./partitions/session-life.js";
import { ReadLoop } from "./reading/read-loop.js";
import { Recovery } from "./recovery/recovery.js";
import { RemadeTopics } from "./recovery/remade-topics.js";
import { HandlerCalls } from "./rebalancing/rebalance-handlers.js";
import { Seeking } from "./rebalancing/seeking.js";
import { PartitionReports } from "./partitions/partition-report.js";
import { Commands } from "./commands.js";
import { TakingOn } from "./rebalancing/taking-on.js";
import { UserPauses } from "./reading/user-pauses.js";
import type { ParsedConsumer } from "../settings/parse-consumer.js";

export interface PartsOptions {
  readonly settings: ParsedConsumer;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly followed: boolean;
  /** Each partition has a stream of its own. */
  readonly partitioned: boolean;
  readonly life: SessionLife;
}

/** What the parts ask and tell their session. */
export interface SessionHooks {
  readonly onClaimEnded: (owned: OwnedPartition) => void;
  /** More may be delivered than before. */
  readonly onRoom: () => void;
  readonly onChunk: (chunk: RecordChunk) => void;
  readonly onPolled: () => void;
  readonly onTaken: (partitions: readonly OwnedPartition[]) => void;
  readonly onGivenUp: (partitions: readonly OwnedPartition[]) => void;
  readonly onReplaced: (before: OwnedPartition, after: OwnedPartition) => void;
  readonly onError: (error: Error) => void;
}

export interface SessionParts {
  readonly client: RenewableClient;
  readonly assignment: Assignment;
  readonly reports: PartitionReports;
  readonly flow: FlowControl;
  readonly reading: ReadLoop;
  readonly commits: Commits;
  readonly bounds: Bounds | undefined;
  readonly ends: Ends;
  readonly handlers: HandlerCalls;
  readonly takingOn: TakingOn;
  readonly givingUp: GivingUp;
  readonly seeking: Seeking;
  readonly commands: Commands;
  readonly recovery: Recovery;
}

type Delivering = Pick<SessionParts, "client" | "assignment" | "reports" | "flow" | "reading"> &
  Pick<SessionParts, "commits"> & { readonly userPauses: UserPauses };

const delivering = (
  options: PartsOptions,
  hooks: SessionHooks,
  listener: ConsumerListener,
  onRetry: (error: unknown) => void,
): Delivering => {
  const { settings, logger, clock, followed, partitioned, life } = options;
  const auditor = new Auditor();
  const { maxReplay, maxPollRecords, maxInFlight } = settings;
  // What a budget lets out is known record by record: of records that share a claim it is not known which are finished.
  const claimBound = followed ? Number.POSITIVE_INFINITY : Math.max(maxInFlight, maxReplay.records ?? 0);
  const assignment = new Assignment(auditor, claimBound, { onEnded: hooks.onClaimEnded, onRoom: hooks.onRoom });
  const partitions = (): Iterable<OwnedPartition> => assignment.partitions;
  const client = new RenewableClient({
    make: (heard) => settings.driver.consumer(settings.properties, heard),
    ...{ listener, clock, logger, heldForMs: settings.heldPositionsTimeoutMs },
  });
  const userPauses = new UserPauses();
  const flow = new FlowControl({ ...settings, followed, partitioned }, client, partitions, userPauses);
  const commits = new Commits({
    ...{ settings, client, clock, logger, life, auditor, assignment, flow },
    wake: () => reading.wake(),
  });
  const { onChunk, onPolled } = hooks;
  const reading = new ReadLoop({
    ...{ client, clock, logger, flow, maxPollRecords },
    ...{ life, isCommitting: () => commits.busy, onChunk, onPolled, onRetry },
  });
  return { client, assignment, flow, userPauses, commits, reading, reports: new PartitionReports() };
};

type Steered = Pick<SessionParts, "takingOn" | "recovery"> & { readonly statistics: LatestStatistics } & {
  readonly rebalances: () => number;
};

const commands = (
  { settings, clock, life }: PartsOptions,
  { onReplaced, onRoom }: SessionHooks,
  parts: Delivering & Steered,
): Pick<SessionParts, "seeking" | "commands"> => {
  const { assignment, reports, takingOn } = parts;
  const { lookupTimeoutMs: timeoutMs } = settings;
  const seeking = new Seeking({
    ...parts,
    ...{ timeoutMs, life },
    onReplaced: (before, after) => {
      takingOn.begin(after);
      onReplaced(before, after);
    },
  });
  const commands = new Commands({
    ...parts,
    ...{ timeoutMs, seeking, onRoom },
    now: () => clock.now(),
    handedOver: () => reports.handedOver(assignment.partitions),
    report: () => reports.report(assignment.partitions),
  });
  return { seeking, commands };
};

const endsOf = (
  { settings, logger }: PartsOptions,
  { client, assignment, commits }: Delivering,
  { removed, resets }: Recovery,
  bounds: Bounds | undefined,
): Ends =>
  new Ends({
    ...{ client, logger, assignment, bounds, removed },
    groupId: settings.groupId ?? "",
    timeoutMs: settings.lookupTimeoutMs,
    isAstray: (owned) => resets.isAstray(owned),
    beginsAtBeginning: ["earliest", "smallest", "beginning"].includes(`${settings.properties["auto.offset.reset"]}`),
    onTail: (owned) => commits.reachedEnd(owned),
  });

const remadeTopicsOf = (
  { settings, logger, life }: PartsOptions,
  { assignment, commits, seeking, recovery }: Pick<SessionParts, "assignment" | "commits" | "seeking" | "recovery">,
): RemadeTopics => {
  const { until, offsetsOnAssign, groupId = "" } = settings;
  const elsewhere = offsetsOnAssign && "its positions are kept elsewhere, for the old one";
  return new RemadeTopics({
    ...{ groupId, logger, assignment, commits, seeking, life },
    resets: recovery.resets,
    refusal: until ? "the bound of its source was looked up in the old one" : elsewhere,
  });
};

/** Everything that a session consists of, wired. */
export const sessionParts = (options: PartsOptions, hooks: SessionHooks): SessionParts => {
  const { settings, logger, clock, life } = options;
  const { onGivenUp, onTaken } = hooks;
  let rebalances = 0;
  const rebalanced = async (serving: Promise<void>): Promise<void> => {
    rebalances += 1;
    await serving;
  };
  const statistics = new LatestStatistics();
  const listener: ConsumerListener = {
    onAssign: (partitions) => rebalanced(takingOn.assigned(partitions)),
    startOf: (partition) => takingOn.startOf(partition),
    onRevoke: (partitions) => rebalanced(givingUp.revoke(partitions)),
    onLost: (partitions) => rebalanced(givingUp.lose(partitions)),
    onError: (error) => recovery.heard(error, hooks.onError),
    onTopicRemade: (topic) => void remadeTopics.remade(topic),
    onStatistics: (json) => statistics.tell(json),
    ...((settings.until ?? settings.groupId) && { onPartitionEnd: (end: TopicPartitionOffset) => ends.tell(end) }),
  };
  const parts = delivering(options, hooks, listener, (error) => recovery.pollFailed(error));
  const { client, assignment } = parts;
  const { until, lookupTimeoutMs: timeoutMs, handlerTimeoutMs } = settings;
  const recovery: Recovery = new Recovery({
    ...parts,
    ...{ settings, clock, logger, life },
    takingOn: () => takingOn,
  });
  const groupId = settings.groupId ?? "";
  const bounds = until && new Bounds({ client, timeoutMs, until });
  const ends = endsOf(options, parts, recovery, bounds);
  const handlers = new HandlerCalls({
    handlers: settings.handlers,
    timeoutMs: handlerTimeoutMs,
    ...{ clock, logger, life },
  });
  const takingOn: TakingOn = new TakingOn({
    ...{ client, settings, logger, assignment, bounds, handlers },
    ownPositions: new OwnPositions({
      ...{ client, clock, logger, groupId, life },
      acknowledged: (partition) => parts.reports.acknowledged(partition),
    }),
    onTaken: (taken, committed) => {
      recovery.taken(taken, committed);
      onTaken(taken);
    },
    life,
  });
  const givingUp = new GivingUp({
    ...parts,
    ...{ groupId, logger, handlers, life, onGivenUp },
  });
  const steered = commands(options, hooks, { ...parts, statistics, recovery, takingOn, rebalances: () => rebalances });
  const remadeTopics = remadeTopicsOf(options, { ...parts, ...steered, recovery });
  return { ...parts, bounds, ends, handlers, takingOn, givingUp, recovery, ...steered };
};
