import type { Logger } from "@millrace/streams";
import { z } from "zod";
import { byteCount } from "./byte-count.js";
import { brokersSchema, checkAddresses } from "./client/addresses.js";
import { CLIENT_TIMEOUTS } from "./client/rdkafka/client-life.js";
import type { ClientProperties, KafkaDriver, Subscription } from "./client/port.js";
import { warnOfDangers } from "./client/insecure.js";
import { checkProperties } from "./client/rdkafka/check-properties.js";
import { rdkafkaDriver } from "./client/rdkafka/driver.js";
import { KNOWN_PROPERTIES } from "./client/rdkafka/known-properties.js";
import { redact, withSecrets } from "./client/secrets.js";
import { securityProperties, type SecuritySettings, securitySchema, tokensOf } from "./client/security.js";
import {
  statisticsProperties,
  statisticsSchema,
  type StatisticsSettings,
  withStatistics,
} from "./client/statistics.js";
import { topicPatternSchema } from "./client/topic-pattern.js";
import { committerShape, type ParsedCommitter } from "./committer-settings.js";
import type { Until } from "./consumer/bounds.js";
import { boundsOf, type BoundSettings, boundShape, type ParsedBounds, prefetch } from "./consumer/bound-settings.js";
import {
  checkGroupTimes,
  groupProperties,
  type GroupSettings,
  groupShape,
  withHeartbeat,
} from "./consumer/group-settings.js";
import { checkReading, type ReadingSettings, readingShape, timestampShape } from "./consumer/reading-settings.js";
import { type ParsedRecovery, recoveryOf, type RecoverySettings, recoveryShape } from "./consumer/recovery-settings.js";
import type { HandlerOptions } from "./consumer/rebalance-handlers.js";
import type { AssignedPartition, OffsetsOnAssign, StartAt } from "./consumer/start-offsets.js";
import { KafkaConnectorError } from "./errors/errors.js";
import { loggerOf } from "./logging/logger-of.js";
import { idempotent } from "./producer/idempotence.js";
import { withQueue } from "./producer/queue-bytes.js";
import { namesIn, settingsError } from "./client/settings-error.js";

/** How to reach a cluster, shared by sources and producers of one service. */
export interface KafkaSettings {
  /** `host:port`, several separated by commas, or an array of them. */
  readonly brokers: string | readonly string[];
  /** The consumer group of the sources; a source may name its own. */
  readonly groupId?: string;
  /** Shown in the broker's logs and quotas; default `millrace`. */
  readonly clientId?: string;
  /** librdkafka properties, flat; each is sent to the level at which librdkafka reads it. */
  readonly properties?: ClientProperties;
  /** TLS and SASL; default: neither. Refused with `INVALID_SETTINGS` where `properties` contradict it. */
  readonly security?: SecuritySettings;
  /** Has the clients tell of themselves; default: they do not. */
  readonly statistics?: StatisticsSettings;
  /**
   * Default: warnings and errors go to the console; the environment variable `MILLRACE_LOG` names another level to begin
   * with (`debug`, `info`, `warn`, `error`), or `silent`. A winston logger fits as it is, pino by `pinoLogger`.
   */
  readonly logger?: Logger;
  /**
   * How long a client waits for the first answer of a broker before it fails with `CONNECT_FAILED`; default 10 000 ms. That
   * it does not connect at once is logged at `warn`. Once it has connected, it waits for brokers that are away for ever.
   */
  readonly connectTimeoutMs?: number;
  /** Default: `rdkafkaDriver`, over node-rdkafka; `confluentDriver` needs `@confluentinc/kafka-javascript`. */
  readonly driver?: KafkaDriver;
}

/** Exactly one of `topics`, `topicPattern` and `assignment`. */
export interface SubscriptionSettings {
  readonly topics?: readonly string[];
  /** Topics of whose name a part matches, also those created later; what the client or the brokers cannot match is refused. */
  readonly topicPattern?: RegExp;
  /**
   * These partitions, without group management. Each begins at its offset, or at its first record that is not older than
   * its timestamp (milliseconds since the epoch; where there is none yet, at its end); without either as `startAt` says.
   */
  readonly assignment?: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset?: number | "beginning" | "end";
    readonly timestamp?: number;
  }[];
}

/** Settings every consumer source takes beside its subscription and serdes. */
export interface ConsumerSettings
  extends SubscriptionSettings,
    ReadingSettings,
    GroupSettings,
    RecoverySettings,
    BoundSettings {
  readonly kafka: KafkaSettings;
  /** Overrides `kafka.groupId`. */
  readonly groupId?: string;
  /** librdkafka properties of this consumer, over those of `kafka`. */
  readonly properties?: ClientProperties;
  /** How long a commit may take, retries included, before it fails with `COMMIT_TIMEOUT`; default 60 000 ms. */
  readonly commitTimeoutMs?: number;
  /** How long a revocation waits for the records in flight of its partitions; default 5000 ms. What is late is read again. */
  readonly revokeTimeoutMs?: number;
  /**
   * What a crash may repeat, at most: so many records, or the records delivered in so many milliseconds. At half of it
   * finished work is committed at once, at all of it nothing more is delivered until a commit has made room. Default: no limit.
   */
  readonly maxReplay?: { readonly records?: number; readonly ms?: number };
}

const topic = z
  .string()
  .min(1)
  .max(249)
  .regex(/^[a-zA-Z0-9._-]+$/, "letters, digits, '.', '_' and '-' only");
const positive = z.number().int().positive();
const properties = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const LEVELS = ["debug", "info", "warn", "error"] as const;
const logger = z.custom<Logger>(
  (value) => LEVELS.every((level) => typeof (value as Partial<Logger> | null | undefined)?.[level] === "function"),
  "a logger has debug, info, warn and error",
);
const driver = z.custom<KafkaDriver>(
  (value) => typeof value === "object" && value !== null && "consumer" in value && "producer" in value,
  "a driver has consumer and producer",
);

const kafkaSchema = z.strictObject({
  brokers: brokersSchema,
  groupId: z.string().min(1).optional(),
  clientId: z.string().min(1).optional(),
  properties: properties.optional(),
  security: securitySchema.optional(),
  statistics: statisticsSchema.optional(),
  logger: logger.optional(),
  driver: driver.optional(),
  connectTimeoutMs: z.number().int().positive().default(CLIENT_TIMEOUTS.connectMs),
});

const subscriptionShape = {
  topics: z.array(topic).min(1).optional(),
  topicPattern: topicPatternSchema.optional(),
  assignment: z
    .array(
      z
        .strictObject({
          topic,
          partition: z.number().int().nonnegative(),
          offset: z.union([z.number().int().nonnegative(), z.literal("beginning"), z.literal("end")]).optional(),
          timestamp: timestampShape.timestamp.optional(),
        })
        .refine(
          ({ offset, timestamp }) => offset === undefined || timestamp === undefined,
          "offset or timestamp, not both",
        ),
    )
    .min(1)
    .optional(),
};

/** Checked by the compiler; named here so that a misspelt setting beside them is refused. */
const serdes = { key: z.unknown().optional(), value: z.unknown().optional() };

const rememberSchema = z.strictObject({
  maxBytes: z.number().int().min(64).max(32_768).default(3900),
  parallelConsumer: z.boolean().default(false),
});
/** Brokers take 4096 bytes unless told otherwise. */
const DEFAULT_REMEMBER = rememberSchema.parse({});

const consumerSchema = z
  .strictObject({
    kafka: kafkaSchema,
    ...subscriptionShape,
    ...serdes,
    ...readingShape,
    ...groupShape,
    ...recoveryShape,
    ...boundShape,
    metadata: z.unknown().optional(),
    groupId: z.string().min(1).optional(),
    properties: properties.optional(),
    commitTimeoutMs: positive.default(60_000),
    revokeTimeoutMs: z.number().int().nonnegative().default(5000),
    maxReplay: z.strictObject({ records: positive.optional(), ms: positive.optional() }).default({}),
    rememberFinished: z.union([z.boolean(), rememberSchema]).default(false),
  })
  .refine(
    (settings) =>
      [settings.topics, settings.topicPattern, settings.assignment].filter((each) => each !== undefined).length === 1,
    "give exactly one of topics, topicPattern and assignment",
  );

const producerSchema = z
  .strictObject({
    kafka: kafkaSchema.optional(),
    // Checked where it is used: what it is, only its own file knows.
    producer: z.unknown().optional(),
    ...serdes,
    properties: properties.optional(),
    parallelism: positive.default(4000),
    maxInFlightBytes: byteCount.default(32 * 2 ** 20),
    failures: z.enum(["stream", "element"]).default("stream"),
    maxWaiting: positive.default(10_000),
    maxWaitingBytes: byteCount.default(32 * 2 ** 20),
  })
  .refine(
    ({ kafka, producer }) => (kafka === undefined) !== (producer === undefined),
    "give exactly one of kafka and producer",
  )
  .refine(
    (settings) => settings.producer === undefined || settings.properties === undefined,
    "properties belong to the client: give them to sharedProducer",
  );

const committerSchema = z.strictObject(committerShape);

/** For the test that compares them with the page of settings. */
export const schemas: Readonly<Record<"kafka" | "consumer" | "producer" | "committer", z.ZodType>> = {
  kafka: kafkaSchema,
  consumer: consumerSchema,
  producer: producerSchema,
  committer: committerSchema,
};

/** Parses settings at the edge; the error names every wrong field and the call it was given to, and repeats no value. */
export const parse = <S extends z.ZodType>(schema: S, settings: unknown, call: string): z.output<S> => {
  const result = schema.safeParse(settings);
  if (result.success) return result.data;
  const names = namesIn(schema);
  const known = [...KNOWN_PROPERTIES, ...Object.values(schemas).flatMap(namesIn), ...names];
  const ofKafka = new Set(names.includes("kafka") ? Object.keys(kafkaSchema.shape) : []);
  throw settingsError(result.error.issues, call, { known: new Set(known), ofKafka });
};

/** librdkafka also takes `1`, `t`, `TRUE` and an empty text for true, so whatever is not plainly off is on. */
const isOn = (value: string | number | boolean | undefined): boolean =>
  value !== undefined && !["false", "f", "0"].includes(String(value).toLowerCase());

interface Reached {
  readonly properties: ClientProperties;
  readonly driver: KafkaDriver;
}

/**
 * The client properties of one consumer or producer, shared ones first, then its own; and the driver to give them to, which
 * knows the secrets that are redacted in them.
 */
const reach = (kafka: z.output<typeof kafkaSchema>, own: ClientProperties | undefined, call: string): Reached => {
  const raw = { "client.id": kafka.clientId ?? "millrace", ...kafka.properties, ...own };
  checkProperties(raw, call);
  checkAddresses(raw, call);
  const properties = {
    ...raw,
    ...securityProperties(kafka.security, raw, call),
    ...statisticsProperties(kafka.statistics, raw, call),
    "bootstrap.servers": typeof kafka.brokers === "string" ? kafka.brokers : kafka.brokers.join(","),
  };
  const logger = loggerOf(kafka.logger);
  warnOfDangers(properties, logger);
  const { connectTimeoutMs } = kafka;
  const driver = withSecrets(kafka.driver ?? rdkafkaDriver, properties, tokensOf(kafka.security), connectTimeoutMs);
  return { properties: redact(properties), driver: withStatistics(driver, kafka.statistics, logger) };
};

/** How to reach the cluster, for a client that is neither a source nor a producer. */
export const parseKafka = (
  settings: unknown,
  call: string,
): Reached & { readonly groupId: string | undefined; readonly logger: Logger } => {
  const kafka = parse(kafkaSchema, settings, call);
  return { ...reach(kafka, undefined, call), groupId: kafka.groupId, logger: loggerOf(kafka.logger) };
};

export interface ParsedConsumer extends ParsedRecovery, ParsedBounds {
  readonly subscription:
    | Exclude<Subscription, { readonly kind: "assignment" }>
    | { readonly kind: "assignment"; readonly partitions: readonly AssignedPartition[] };
  /** Without secrets, which `driver` adds. */
  readonly properties: ClientProperties;
  readonly driver: KafkaDriver;
  readonly groupId: string | undefined;
  readonly commitTimeoutMs: number;
  readonly revokeTimeoutMs: number;
  readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
  readonly rememberFinished: { readonly maxBytes: number; readonly parallelConsumer: boolean } | undefined;
  readonly startAt: StartAt;
  readonly until: Until | undefined;
  readonly offsetsOnAssign: OffsetsOnAssign | undefined;
  readonly lookupTimeoutMs: number;
  readonly heldPositionsTimeoutMs: number;
  readonly handlers: HandlerOptions["handlers"];
  readonly handlerTimeoutMs: number;
  readonly restartBackoff: { readonly minMs: number; readonly maxMs: number };
}

const subscriptionOf = (settings: z.output<typeof consumerSchema>): ParsedConsumer["subscription"] => {
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
 * Where a partition without a committed position is read from. With librdkafka's `latest` a crash before a partition's
 * first commit would skip what had been delivered.
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
    groupId,
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
    ...recoveryOf(parsed),
    ...boundsOf(parsed),
  };
};

export interface ParsedProducer {
  /** Without secrets, which `driver` adds. */
  readonly properties: ClientProperties;
  /** Absent where the producer uses another one's client. */
  readonly driver: KafkaDriver | undefined;
  readonly parallelism: number;
  readonly maxInFlightBytes: number;
  readonly failures: "stream" | "element";
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

/** Settings that only some producers have. */
const OWN = ["failures", "maxWaiting", "maxWaitingBytes"] as const;

/** `own` names those of them that this one has. */
export const parseProducer = (
  settings: unknown,
  call: string,
  own: readonly (typeof OWN)[number][] = [],
): ParsedProducer => {
  const parsed = parse(producerSchema, settings, call);
  const foreign = OWN.find((key) => !own.includes(key) && key in (settings as object));
  if (foreign !== undefined) {
    throw new KafkaConnectorError("INVALID_SETTINGS", `${call} has no setting ${foreign}. Remove it.`);
  }
  const { kafka, parallelism, maxInFlightBytes, failures, maxWaiting, maxWaitingBytes } = parsed;
  const bounds = { parallelism, maxInFlightBytes, failures, maxWaiting, maxWaitingBytes };
  if (kafka === undefined) return { properties: {}, driver: undefined, ...bounds };
  const { properties, driver } = reach(kafka, parsed.properties, call);
  return { properties: withQueue(idempotent(properties, call), maxInFlightBytes), driver, ...bounds };
};

export const parseCommitter = (settings: unknown, call: string): ParsedCommitter =>
  parse(committerSchema, settings, call);
