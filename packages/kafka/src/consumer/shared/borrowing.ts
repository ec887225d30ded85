import { KafkaConnectorError } from "../../errors/errors.js";
import { loggerOf } from "../../logging/logger-of.js";
import { type SharedConsumer, SharedConsumers } from "./shared-consumer.js";
import type { ConsumerSettings, SubscriptionSettings } from "../../settings/consumer-settings.js";
import type { KafkaSettings } from "../../settings/kafka-settings.js";
import { type ParsedConsumer, parseConsumer } from "../../settings/parse-consumer.js";

type Kept =
  | "startAt"
  | "until"
  | "lookupTimeoutMs"
  | "heldPositionsTimeoutMs"
  | "maxPollRecords"
  | "maxBufferedRecords"
  | "commitTimeoutMs"
  | "maxInFlight"
  | "maxInFlightTotal"
  | "revokeTimeoutMs"
  | "maxReplay"
  | "maxBufferedBytes"
  | "maxInFlightBytes";

/** Settings of the client, which its sources cannot change. */
const OF_CLIENT = [
  "kafka",
  "groupId",
  "properties",
  "groupInstanceId",
  "sessionTimeoutMs",
  "heartbeatIntervalMs",
  "maxPollIntervalMs",
  "groupProtocol",
  "autoOffsetReset",
  "isolationLevel",
] as const;

type OfClient = Readonly<Partial<Record<(typeof OF_CLIENT)[number], never>>>;

/** A source of fixed partitions that uses a client of `sharedConsumer`, and leaves it open. */
export interface BorrowedConsumerSettings extends Pick<ConsumerSettings, Kept>, OfClient {
  readonly consumer: SharedConsumer;
  /** As that of a source with a client of its own. No two sources of a client at a time may have the same partition. */
  readonly assignment: NonNullable<SubscriptionSettings["assignment"]>;
}

/** What a source reads with: its parsed settings, and where it logs. */
export interface Reading {
  readonly settings: ParsedConsumer;
  /** For clients beside that of the source. */
  readonly kafka: KafkaSettings;
  readonly logger: NonNullable<KafkaSettings["logger"]>;
}

/** Parses the settings of a source, with a client of its own or a shared one. */
export const parseReading = (
  settings: ConsumerSettings | BorrowedConsumerSettings,
  call: string,
  commits: boolean,
): Reading => {
  if (!("consumer" in settings)) {
    const parsed = parseConsumer(settings, call, commits);
    return { settings: parsed, kafka: settings.kafka, logger: loggerOf(settings.kafka.logger) };
  }
  const { consumer: shared, ...own } = settings;
  const refuse = (message: string): never => {
    throw new KafkaConnectorError("INVALID_SETTINGS", `${call}: ${message}`);
  };
  if (!(shared instanceof SharedConsumers)) return refuse("consumer is not one. Make it with sharedConsumer().");
  const ofClient = OF_CLIENT.find((name) => name in own);
  if (ofClient) refuse(`${ofClient} belongs to the client. Give it to sharedConsumer, and not to its sources.`);
  if ("topics" in own || "topicPattern" in own) {
    refuse("a shared consumer is no member of a group. Give it an assignment, or leave consumer out.");
  }
  const { kafka, ...client } = shared.ofClient();
  const parsed = parseConsumer({ kafka, ...client, ...own }, call, commits);
  return { settings: { ...parsed, driver: shared.driver }, kafka, logger: shared.logger };
};
