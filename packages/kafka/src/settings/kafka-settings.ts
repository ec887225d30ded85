import type { Logger } from "@millrace/streams";
import { z } from "zod";
import { brokersSchema } from "../client/addresses.js";
import type { ClientProperties, KafkaDriver } from "../client/port.js";
import { CLIENT_TIMEOUTS } from "../client/rdkafka/client-life.js";
import { type OrUndefined, type Security, type SecuritySettings, securitySchema } from "../client/security.js";
import { type Statistics, statisticsSchema, type StatisticsSettings } from "../client/statistics.js";

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
  /** Makes the clients report statistics; default: off. */
  readonly statistics?: StatisticsSettings;
  /**
   * Default: warnings and errors go to the console; the environment variable `MILLRACE_LOG` names another level to begin
   * with (`debug`, `info`, `warn`, `error`), or `silent`. A winston logger fits as it is, pino by `pinoLogger`.
   */
  readonly logger?: Logger;
  /**
   * How long a client waits for the first answer of a broker before it fails with `CONNECT_FAILED`; default 10 000 ms.
   * That it does not connect at once is logged at `warn`. Once it has connected, it waits for unreachable brokers
   * without limit.
   */
  readonly connectTimeoutMs?: number;
  /** Default: `rdkafkaDriver`, over node-rdkafka; `confluentDriver` needs `@confluentinc/kafka-javascript`. */
  readonly driver?: KafkaDriver;
}

export const propertiesSchema: z.ZodType<ClientProperties> = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()]),
);
const LEVELS = ["debug", "info", "warn", "error"] as const;
const logger = z.custom<Logger>(
  (value) => LEVELS.every((level) => typeof (value as Partial<Logger> | null | undefined)?.[level] === "function"),
  "a logger has debug, info, warn and error",
);
const driver = z.custom<KafkaDriver>(
  (value) => typeof value === "object" && value !== null && "consumer" in value && "producer" in value,
  "a driver has consumer and producer",
);

/** Checked, with defaults. */
export type CheckedKafka = OrUndefined<
  Omit<KafkaSettings, "brokers" | "security" | "statistics" | "connectTimeoutMs">
> & {
  readonly brokers: KafkaSettings["brokers"];
  readonly security?: Security | undefined;
  readonly statistics?: Statistics | undefined;
  readonly connectTimeoutMs: number;
};

const shape = {
  brokers: brokersSchema,
  groupId: z.string().min(1).optional(),
  clientId: z.string().min(1).optional(),
  properties: propertiesSchema.optional(),
  security: securitySchema.optional(),
  statistics: statisticsSchema.optional(),
  logger: logger.optional(),
  driver: driver.optional(),
  connectTimeoutMs: z.number().int().positive().default(CLIENT_TIMEOUTS.connectMs),
};

export const kafkaSchema: z.ZodType<CheckedKafka> = z.strictObject(shape);

export const kafkaSettingNames: readonly string[] = Object.keys(shape);

/** Checked by the compiler; named here so that a misspelt setting beside them is refused. */
export const serdeShape: Readonly<Record<"key" | "value", z.ZodOptional<z.ZodUnknown>>> = {
  key: z.unknown().optional(),
  value: z.unknown().optional(),
};
