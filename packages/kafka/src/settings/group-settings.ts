import { z } from "zod";
import type { ClientProperties } from "../client/port.js";
import { KafkaConnectorError } from "../errors/errors.js";

/** How a consumer is a member of its group. Each stands for a librdkafka property; giving both is refused. */
export interface GroupSettings {
  /**
   * Static membership: within `sessionTimeoutMs` a restart under the same id keeps its partitions. Each consumer needs an id of
   * its own: of two that live one fails. Default: none.
   */
  readonly groupInstanceId?: string;
  /** How long a silent member keeps its partitions; librdkafka's default: 45 000 ms. Not with `groupProtocol: "consumer"`. */
  readonly sessionTimeoutMs?: number;
  /** Default: 3000 ms, or a third of a shorter session. Not with `groupProtocol: "consumer"`. */
  readonly heartbeatIntervalMs?: number;
  /** How long a rebalance may take, and the client may go unpolled; default: 300 000 ms. */
  readonly maxPollIntervalMs?: number;
  /** `consumer` is the newer protocol, where the broker assigns (KIP-848); default: `classic`. */
  readonly groupProtocol?: "classic" | "consumer";
  /**
   * Where to begin without a committed position. Default: `earliest` for sources that commit, for a crash before the first
   * commit must not skip records; for others `latest`.
   */
  readonly autoOffsetReset?: "earliest" | "latest" | "error";
  /** Default: `read_committed`. */
  readonly isolationLevel?: "read_committed" | "read_uncommitted";
}

const positive = z.number().int().positive();

export type GroupShape = {
  readonly [Name in keyof GroupSettings]-?: z.ZodOptional<z.ZodType<NonNullable<GroupSettings[Name]>>>;
};

export const groupShape: GroupShape = {
  groupInstanceId: z.string().min(1).optional(),
  sessionTimeoutMs: positive.optional(),
  heartbeatIntervalMs: positive.optional(),
  maxPollIntervalMs: positive.optional(),
  groupProtocol: z.enum(["classic", "consumer"]).optional(),
  autoOffsetReset: z.enum(["earliest", "latest", "error"]).optional(),
  isolationLevel: z.enum(["read_committed", "read_uncommitted"]).optional(),
};

const PROPERTY_OF = {
  groupInstanceId: "group.instance.id",
  sessionTimeoutMs: "session.timeout.ms",
  heartbeatIntervalMs: "heartbeat.interval.ms",
  maxPollIntervalMs: "max.poll.interval.ms",
  groupProtocol: "group.protocol",
  autoOffsetReset: "auto.offset.reset",
  isolationLevel: "isolation.level",
} as const;

type Parsed = { readonly [Name in keyof GroupSettings]?: GroupSettings[Name] | undefined };

const refused = (call: string, message: string): KafkaConnectorError =>
  new KafkaConnectorError("INVALID_SETTINGS", `${call}: ${message}`);

/** The settings as librdkafka's properties, beside `given`, which must not say the same. */
export const groupProperties = (
  settings: Parsed,
  given: ClientProperties | undefined,
  call: string,
): ClientProperties => {
  const properties: Record<string, string | number> = {};
  for (const [name, property] of Object.entries(PROPERTY_OF) as [keyof GroupSettings, string][]) {
    const value = settings[name];
    if (value === undefined) continue;
    if (given && property in given) throw refused(call, `${name} and the property ${property} say the same. Keep one.`);
    properties[property] = value;
  }
  return properties;
};

/** librdkafka's defaults. */
const MAX_POLL_MS = 300_000;
const SESSION_MS = 45_000;
const HEARTBEAT_MS = 3000;

/** A shortened session also shortens the heartbeat interval, unless that is set. */
export const withHeartbeat = (properties: ClientProperties): ClientProperties => {
  const sessionMs = Number(properties["session.timeout.ms"] ?? SESSION_MS);
  if ("heartbeat.interval.ms" in properties || properties["group.protocol"] === "consumer") return properties;
  if (HEARTBEAT_MS <= sessionMs / 3) return properties;
  return { ...properties, "heartbeat.interval.ms": Math.max(1, Math.floor(sessionMs / 3)) };
};

/** Refuses times that contradict one another, before anything runs. */
export const checkGroupTimes = (
  properties: ClientProperties,
  settings: { readonly revokeTimeoutMs: number; readonly handlerTimeoutMs: number; readonly onRevoke?: unknown },
  call: string,
): void => {
  const { revokeTimeoutMs } = settings;
  const handlerTimeoutMs = settings.onRevoke === undefined ? 0 : settings.handlerTimeoutMs;
  const maxPollMs = Number(properties["max.poll.interval.ms"] ?? MAX_POLL_MS);
  if (properties["group.protocol"] === "consumer") {
    const brokers = ["session.timeout.ms", "heartbeat.interval.ms"].find((key) => key in properties);
    if (brokers) throw refused(call, `${brokers} is the broker's to set where groupProtocol is "consumer". Remove it.`);
  } else {
    const sessionMs = Number(properties["session.timeout.ms"] ?? SESSION_MS);
    const heartbeatMs = Number(properties["heartbeat.interval.ms"] ?? HEARTBEAT_MS);
    if (heartbeatMs >= sessionMs) {
      throw refused(
        call,
        `heartbeatIntervalMs (${heartbeatMs}) must be below sessionTimeoutMs (${sessionMs}), best a third of it.`,
      );
    }
    if (sessionMs > maxPollMs) {
      throw refused(
        call,
        `sessionTimeoutMs (${sessionMs}) must not be above maxPollIntervalMs (${maxPollMs}), which librdkafka refuses.`,
      );
    }
  }
  if (revokeTimeoutMs + handlerTimeoutMs >= maxPollMs) {
    throw refused(
      call,
      `revokeTimeoutMs (${revokeTimeoutMs}) and handlerTimeoutMs (${handlerTimeoutMs}) together must be below maxPollIntervalMs (${maxPollMs}): the group does not wait longer for a revocation, and gives the partitions to others unfinished.`,
    );
  }
};
