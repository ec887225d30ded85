import { z } from "zod";
import type { ClientProperties, TopicPartition } from "../client/port.js";
import type { OrUndefined } from "../client/security.js";
import { topicPatternSchema } from "../client/topic-pattern.js";
import { type BoundSettings, type BoundShape, boundShape } from "./bound-settings.js";
import { type GroupSettings, type GroupShape, groupShape } from "./group-settings.js";
import { type CheckedKafka, kafkaSchema, type KafkaSettings, propertiesSchema, serdeShape } from "./kafka-settings.js";
import { type ReadingSettings, type ReadingShape, readingShape, timestampShape } from "./reading-settings.js";
import { type RecoverySettings, type RecoveryShape, recoveryShape } from "./recovery-settings.js";
import { type UndecodableSetting, undecodableSchema } from "./undecodable-settings.js";

/** Exactly one of `topics`, `topicPattern` and `assignment`. */
export interface SubscriptionSettings {
  readonly topics?: readonly string[];
  /** Topics whose name has a match, also those created later; what client or brokers cannot match is refused. */
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
   * Upper bound on records redelivered after a crash, as a count or as milliseconds of delivery. At half of it finished
   * work is committed at once, at all of it nothing more is delivered until a commit has made room. Default: no limit.
   */
  readonly maxReplay?: { readonly records?: number; readonly ms?: number };
}

const topic = z
  .string()
  .min(1)
  .max(249)
  .regex(/^[a-zA-Z0-9._-]+$/, "letters, digits, '.', '_' and '-' only");
const positive = z.number().int().positive();

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

/** How much a commit may say of what is finished above its position, and in which format. */
export interface Remember {
  readonly maxBytes: number;
  readonly parallelConsumer: boolean;
}

const rememberSchema: z.ZodType<Remember> = z.strictObject({
  maxBytes: z.number().int().min(64).max(32_768).default(3900),
  parallelConsumer: z.boolean().default(false),
});
/** Brokers accept 4096 bytes by default. */
export const DEFAULT_REMEMBER: Remember = rememberSchema.parse({});

type PartitionToRead = NonNullable<SubscriptionSettings["assignment"]>[number];

/** Checked, with defaults. */
export type CheckedConsumer = OrUndefined<Omit<SubscriptionSettings, "assignment">> &
  z.output<z.ZodObject<ReadingShape & GroupShape & RecoveryShape & BoundShape>> & {
    readonly assignment?:
      | readonly (TopicPartition & OrUndefined<Omit<PartitionToRead, keyof TopicPartition>>)[]
      | undefined;
    readonly kafka: CheckedKafka;
    readonly groupId?: string | undefined;
    readonly properties?: ClientProperties | undefined;
    readonly commitTimeoutMs: number;
    readonly revokeTimeoutMs: number;
    readonly maxReplay: { readonly records?: number | undefined; readonly ms?: number | undefined };
    readonly rememberFinished: boolean | Remember;
    readonly undecodable: UndecodableSetting;
  };

export const consumerSchema: z.ZodType<CheckedConsumer> = z
  .strictObject({
    kafka: kafkaSchema,
    ...subscriptionShape,
    ...serdeShape,
    ...readingShape,
    ...groupShape,
    ...recoveryShape,
    ...boundShape,
    metadata: z.unknown().optional(),
    groupId: z.string().min(1).optional(),
    properties: propertiesSchema.optional(),
    commitTimeoutMs: positive.default(60_000),
    revokeTimeoutMs: z.number().int().nonnegative().default(5000),
    maxReplay: z.strictObject({ records: positive.optional(), ms: positive.optional() }).default({}),
    rememberFinished: z.union([z.boolean(), rememberSchema]).default(false),
    undecodable: undecodableSchema.default("stop"),
  })
  .refine(
    (settings) =>
      [settings.topics, settings.topicPattern, settings.assignment].filter((each) => each !== undefined).length === 1,
    "give exactly one of topics, topicPattern and assignment",
  );
