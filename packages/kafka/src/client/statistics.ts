import type { Logger } from "@millrace/streams";
import { promiseOf } from "@millrace/streams/stage";
import { z } from "zod";
import { KafkaConnectorError } from "../errors/errors.js";
import type { ClientProperties, KafkaDriver } from "./port.js";

/**
 * A client's own view of itself, as librdkafka gives it: counts run from the client's start, times are in microseconds.
 * What is not named here is in librdkafka's `STATISTICS.md`.
 */
export interface ClientStatistics {
  /** Distinguishes the clients of a process. */
  readonly name: string;
  readonly client_id: string;
  readonly type: "consumer" | "producer";
  /** Seconds since the epoch. */
  readonly time: number;
  /** Microseconds since the client was made. */
  readonly age: number;
  /** Records in the producer's queue. */
  readonly msg_cnt: number;
  /** Requests sent, and their bytes. */
  readonly tx: number;
  readonly tx_bytes: number;
  /** Answers received, and their bytes. */
  readonly rx: number;
  readonly rx_bytes: number;
  /** Records sent by a producer. */
  readonly txmsgs: number;
  /** Records received by a consumer. */
  readonly rxmsgs: number;
  readonly brokers: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly topics: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [field: string]: unknown;
}

/** Makes every client report statistics. */
export interface StatisticsSettings {
  /** How often each client gives its statistics, in milliseconds. */
  readonly intervalMs: number;
  /**
   * Called for each client of these settings, producers and consumers alike, on the event loop. What it throws, or rejects
   * with, is logged. Without it those of a consumer are in `control.metrics().client`.
   */
  readonly onStatistics?: (statistics: ClientStatistics) => void;
}

/** Settings as they are parsed. */
export interface Statistics {
  readonly intervalMs: number;
  readonly onStatistics?: StatisticsSettings["onStatistics"];
}

export const statisticsSchema: z.ZodType<Statistics> = z.strictObject({
  // librdkafka's limit, a day.
  intervalMs: z.number().int().positive().max(86_400_000),
  onStatistics: z
    .custom<NonNullable<StatisticsSettings["onStatistics"]>>((value) => typeof value === "function", "a function")
    .optional(),
});

const INTERVAL = "statistics.interval.ms";

/** What they mean to librdkafka; throws `INVALID_SETTINGS` where `properties` say it too. */
export const statisticsProperties = (
  statistics: Statistics | undefined,
  properties: ClientProperties,
  call: string,
): ClientProperties => {
  if (statistics === undefined) return {};
  if (INTERVAL in properties) {
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${call}: the property ${INTERVAL} is decided by kafka.statistics. Remove it.`,
    );
  }
  return { [INTERVAL]: statistics.intervalMs };
};

/** The driver, whose clients also report to `onStatistics`. */
export const withStatistics = (
  driver: KafkaDriver,
  statistics: Statistics | undefined,
  logger: Logger,
): KafkaDriver => {
  const onEach = statistics?.onStatistics;
  if (onEach === undefined) return driver;
  const failed = (error: unknown): void => logger.warn("kafka: onStatistics failed", { error });
  const report = (json: string): void => {
    try {
      promiseOf<unknown>(onEach(JSON.parse(json) as ClientStatistics))?.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  return {
    name: driver.name,
    commitsMetadata: driver.commitsMetadata,
    sendsBytesInHeaders: driver.sendsBytesInHeaders,
    consumer: (properties, listener, tokens) => {
      const onStatistics = (json: string): void => {
        listener.onStatistics?.(json);
        report(json);
      };
      return driver.consumer(properties, { ...listener, onStatistics }, tokens);
    },
    producer: (properties, listener, tokens) =>
      driver.producer(properties, { ...listener, onStatistics: report }, tokens),
    ...(driver.topicAdmin && { topicAdmin: driver.topicAdmin.bind(driver) }),
  };
};

/** The latest statistics of one client, parsed when somebody asks. */
export class LatestStatistics {
  #json: string | undefined;
  #parsed: ClientStatistics | undefined;

  tell(json: string): void {
    this.#json = json;
  }

  get value(): ClientStatistics | undefined {
    if (this.#json !== undefined) this.#parsed = JSON.parse(this.#json) as ClientStatistics;
    this.#json = undefined;
    return this.#parsed;
  }
}
