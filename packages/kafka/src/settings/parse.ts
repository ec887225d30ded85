import type { Logger } from "@millrace/streams";
import { z } from "zod";
import { checkAddresses } from "../client/addresses.js";
import { warnOfDangers } from "../client/insecure.js";
import type { ClientProperties, KafkaDriver } from "../client/port.js";
import { checkProperties } from "../client/rdkafka/check-properties.js";
import { rdkafkaDriver } from "../client/rdkafka/driver.js";
import { KNOWN_PROPERTIES } from "../client/rdkafka/known-properties.js";
import { redact, withSecrets } from "../client/secrets.js";
import { securityProperties, tokensOf } from "../client/security.js";
import { namesIn, settingsError } from "../client/settings-error.js";
import { statisticsProperties, withStatistics } from "../client/statistics.js";
import { loggerOf } from "../logging/logger-of.js";
import { committerShape, type ParsedCommitter } from "./committer-settings.js";
import { consumerSchema } from "./consumer-settings.js";
import { type CheckedKafka, kafkaSchema, kafkaSettingNames } from "./kafka-settings.js";
import { producerSchema } from "./producer-settings.js";

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
  const ofKafka = new Set(names.includes("kafka") ? kafkaSettingNames : []);
  throw settingsError(result.error.issues, call, { known: new Set(known), ofKafka });
};

export interface Reached {
  readonly properties: ClientProperties;
  readonly driver: KafkaDriver;
}

/**
 * The client properties of one consumer or producer, shared ones first, then its own; and the driver to give them to, which
 * knows the secrets that are redacted in them.
 */
export const reach = (kafka: CheckedKafka, own: ClientProperties | undefined, call: string): Reached => {
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

export const parseCommitter = (settings: unknown, call: string): ParsedCommitter =>
  parse(committerSchema, settings, call);
