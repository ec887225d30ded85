import type { ClientProperties, KafkaDriver, StartingPartition, Subscription } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { boundsOf, type ParsedBounds, prefetch } from "./bound-settings.js";
import { type CheckedConsumer, consumerSchema, DEFAULT_REMEMBER, type Remember } from "./consumer-settings.js";
import { checkGroupTimes, groupProperties, withHeartbeat } from "./group-settings.js";
import { parse, reach } from "./parse.js";
import {
  checkReading,
  type GivenHandlers,
  type OffsetsOnAssign,
  type StartAt,
  type Until,
} from "./reading-settings.js";
import { type ParsedRecovery, recoveryOf } from "./recovery-settings.js";
import type { UndecodableSetting } from "./undecodable-settings.js";

/** librdkafka also takes `1`, `t`, `TRUE` and an empty text for true, so whatever is not plainly off is on. */
const isOn = (value: string | number | boolean | undefined): boolean =>
  value !== undefined && !["false", "f", "0"].includes(String(value).toLowerCase());

/** A partition of a manual assignment: its own offset or timestamp goes before `startAt`. */
export interface AssignedPartition extends StartingPartition {
  readonly timestamp?: number | undefined;
}

export interface ParsedConsumer extends ParsedRecovery, ParsedBounds {
  readonly subscription:
    | Exclude<Subscription, { readonly kind: "assignment" }>
    | { readonly kind: "assignment"; readonly partitions: readonly AssignedPartition[] };
  /** Without secrets, which `driver` adds. */
  readonly properties: ClientProperties;
  readonly driver: KafkaDriver;
  /** Empty where none is used. */
  readonly groupId: string;
  readonly commitTimeoutMs: number;
  readonly revokeTimeoutMs: number;
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
  readonly rememberFinished: Remember | undefined;
  readonly startAt: StartAt;
  readonly until: Until | undefined;
  readonly offsetsOnAssign: OffsetsOnAssign | undefined;
  readonly lookupTimeoutMs: number;
  readonly heldPositionsTimeoutMs: number;
  readonly handlers: GivenHandlers;
  readonly handlerTimeoutMs: number;
  readonly restartBackoff: { readonly minMs: number; readonly maxMs: number };
  readonly undecodable: UndecodableSetting;
}

const subscriptionOf = (settings: CheckedConsumer): ParsedConsumer["subscription"] => {
  if (settings.topics) return { kind: "topics", topics: settings.topics };
  if (settings.topicPattern) return { kind: "pattern", pattern: settings.topicPattern };
  return {
    kind: "assignment",
    partitions: (settings.assignment ?? []).map(({ topic, partition, offset, timestamp }) =>
      offset === undefined ? { topic, partition, timestamp } : { topic, partition, offset },
    ),
  };
};

/**
 * Where reading begins without a committed position. With librdkafka's `latest` a crash before a partition's first
 * commit would skip what had been delivered.
 */
const SAFE_START: ClientProperties = { "auto.offset.reset": "earliest" };

/** Refuses what would lose messages, and fills in defaults, before anything runs. */
export const parseConsumer = (settings: unknown, call: string, commits: boolean): ParsedConsumer => {
  const parsed = parse(consumerSchema, settings, call);
  const given = { ...parsed.kafka.properties, ...parsed.properties };
  const own = { ...parsed.properties, ...groupProperties(parsed, given, call) };
  const { properties: reached, driver } = reach(parsed.kafka, own, call);
  const properties = withHeartbeat(reached);
  checkReading(parsed, call, commits);
  checkGroupTimes(properties, parsed, call);
  const groupId = parsed.groupId ?? parsed.kafka.groupId ?? properties["group.id"]?.toString();
  if (isOn(properties["enable.auto.commit"]) || isOn(properties["auto.commit.enable"])) {
    throw new KafkaConnectorError(
      "AUTO_COMMIT_REFUSED",
      `${call}: enable.auto.commit would commit records that are still being processed. Remove it; committerSink commits what is done.`,
    );
  }
  if (groupId === undefined && (commits || parsed.assignment === undefined)) {
    throw new KafkaConnectorError(
      "GROUP_ID_MISSING",
      `${call}: a ${commits ? "committable source" : "topic subscription"} needs a consumer group. Set groupId in the source's settings or in kafka.`,
    );
  }
  const defaults = { ...(commits ? SAFE_START : {}), ...prefetch(parsed) };
  return {
    subscription: subscriptionOf(parsed),
    // librdkafka wants a group even where none is used; this one is never committed to.
    properties: { ...defaults, ...properties, "group.id": groupId ?? "millrace-ungrouped" },
    driver,
    groupId: groupId ?? "",
    commitTimeoutMs: parsed.commitTimeoutMs,
    revokeTimeoutMs: parsed.revokeTimeoutMs,
    maxReplay: parsed.maxReplay,
    rememberFinished: parsed.rememberFinished === true ? DEFAULT_REMEMBER : parsed.rememberFinished || undefined,
    startAt: parsed.startAt,
    until: parsed.until,
    offsetsOnAssign: parsed.getOffsetsOnAssign,
    lookupTimeoutMs: parsed.lookupTimeoutMs,
    heldPositionsTimeoutMs: parsed.heldPositionsTimeoutMs,
    // Not `parsed` as a whole, which has the secrets.
    handlers: {
      onAssign: parsed.onAssign,
      onRevoke: parsed.onRevoke,
      onLost: parsed.onLost,
      onStop: parsed.onStop,
    },
    handlerTimeoutMs: parsed.handlerTimeoutMs,
    restartBackoff: parsed.restartBackoff,
    undecodable: parsed.undecodable,
    ...recoveryOf(parsed),
    ...boundsOf(parsed),
  };
};
