import { acrossCopies } from "@millrace/streams/stage";
import { z } from "zod";
import type {
  ClientProperties,
  ConsumerClient,
  ConsumerListener,
  KafkaDriver,
  TopicPartition,
} from "../../client/port.js";
import { HeldClient } from "../../client/held-client.js";
import { RepeatedErrors } from "../../client/repeated-errors.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { loggerOf } from "../../logging/logger-of.js";
import { boundShape } from "../../settings/bound-settings.js";
import type { GroupSettings } from "../../settings/group-settings.js";
import { type SharedCounts, SharedReader } from "./shared-reader.js";
import type { KafkaSettings } from "../../settings/kafka-settings.js";
import { parse } from "../../settings/parse.js";
import { type ParsedConsumer, parseConsumer } from "../../settings/parse-consumer.js";

/** Settings of the client that several sources use. */
export interface SharedConsumerSettings extends Pick<GroupSettings, "autoOffsetReset" | "isolationLevel"> {
  readonly kafka: KafkaSettings;
  /** Where the sources commit; overrides `kafka.groupId`. Without any no source can commit. */
  readonly groupId?: string;
  /** librdkafka properties of this consumer, over those of `kafka`. */
  readonly properties?: ClientProperties;
  /** Records of one read for all sources, at most; default 500. */
  readonly maxPollRecords?: number;
  /** Records of one partition that wait for its source before it is paused; default 500. One read may exceed it. */
  readonly maxBufferedRecords?: number;
  /**
   * Bytes read and not delivered by the sources, over all partitions, each with an equal share; default 64 MB. A record
   * always passes.
   */
  readonly maxBufferedBytes?: number;
}

/** Counts since `sharedConsumer` was called, over all sources; each source's own are in its control. */
export interface SharedConsumerMetrics {
  /** Sources that use it now. */
  readonly users: number;
  readonly assignedPartitions: number;
  /** Read, and not taken by their sources yet. */
  readonly buffered: number;
  /** Read, and not delivered by their sources yet: what `maxBufferedBytes` bounds. */
  readonly bufferedBytes: number;
  readonly polls: number;
  /** Commits that the broker acknowledged. */
  readonly commits: number;
}

/** One consumer client for several sources of fixed partitions: give it to them as `consumer`. */
export interface SharedConsumer extends AsyncDisposable {
  /** Sources that use it now. */
  readonly users: number;
  /** The partitions that its sources read now. */
  assignment(): readonly TopicPartition[];
  metrics(): SharedConsumerMetrics;
  /**
   * Closes the client. Sources that are still running fail with `CONSUMER_CLOSED`, and what they have not committed is
   * read again, so drain them first. Idempotent.
   */
  close(): Promise<void>;
}

const schema = z.strictObject({
  // What concerns the client is checked with the settings of all consumers.
  kafka: z.unknown(),
  groupId: z.unknown().optional(),
  properties: z.unknown().optional(),
  autoOffsetReset: z.unknown().optional(),
  isolationLevel: z.unknown().optional(),
  maxPollRecords: z.number().int().positive().default(500),
  maxBufferedRecords: z.number().int().positive().default(500),
  maxBufferedBytes: boundShape.maxBufferedBytes,
});

/** For the test that compares it with the page of settings. */
export const sharedConsumerSchema: z.ZodType = schema;

/** The settings that concern the client. */
type Client = Omit<SharedConsumerSettings, keyof Limits>;

interface Limits {
  readonly maxPollRecords: number;
  readonly maxBufferedRecords: number;
  readonly maxBufferedBytes: number;
}

/** The client is that of any source; a group makes it one of a source that commits. */
const parseClient = (client: Client, { maxBufferedBytes }: Limits): ParsedConsumer => {
  const whole = { ...client, maxBufferedBytes, assignment: [{ topic: "any", partition: 0 }] };
  const { groupId } = parseConsumer(whole, "sharedConsumer", false);
  return parseConsumer(whole, "sharedConsumer", groupId !== "");
};

const closedError = (): KafkaConnectorError =>
  new KafkaConnectorError("CONSUMER_CLOSED", "The shared consumer is closed. Make a new one with sharedConsumer().", {
    fatal: true,
  });

export class SharedConsumers implements SharedConsumer {
  static {
    acrossCopies(this, "SharedConsumers");
  }

  /** As the user gave it, with the secrets: never printed. */
  readonly #client: Client;
  readonly #parsed: ParsedConsumer;
  readonly #limits: Limits;
  readonly #counts: SharedCounts = { polls: 0, commits: 0 };
  readonly #held: HeldClient<SharedReader>;

  constructor(settings: SharedConsumerSettings) {
    const { maxPollRecords, maxBufferedRecords, maxBufferedBytes } = parse(schema, settings, "sharedConsumer");
    const { maxPollRecords: _, maxBufferedRecords: __, maxBufferedBytes: ___, ...client } = settings;
    this.#client = client;
    this.#limits = { maxPollRecords, maxBufferedRecords, maxBufferedBytes };
    this.#parsed = parseClient(client, this.#limits);
    const { driver, properties } = this.#parsed;
    this.#held = new HeldClient(
      () => {
        const errors = new RepeatedErrors(this.logger, "kafka shared consumer: client error");
        return new SharedReader({
          ...this.#limits,
          counts: this.#counts,
          open: (own) => driver.consumer(properties, own),
          onWarning: (error) => errors.warn(error),
          onEnd: (ended) => this.#held.drop(ended.close()),
        });
      },
      (error) => this.logger.error("kafka shared consumer: closing failed", { error }),
    );
  }

  /** What it is made of, for the settings of its sources. No getter: those are printed. */
  ofClient(): Client {
    return this.#client;
  }

  get logger(): NonNullable<KafkaSettings["logger"]> {
    return loggerOf(this.#client.kafka.logger);
  }

  /** Makes views in place of clients. */
  get driver(): KafkaDriver {
    const { driver } = this.#parsed;
    return {
      name: driver.name,
      commitsMetadata: driver.commitsMetadata,
      sendsBytesInHeaders: driver.sendsBytesInHeaders,
      consumer: (_, listener) => this.#open(listener),
      producer: (properties, listener, tokens) => driver.producer(properties, listener, tokens),
    };
  }

  get users(): number {
    return this.#held.current?.users ?? 0;
  }

  assignment(): readonly TopicPartition[] {
    return this.#held.current?.assignment ?? [];
  }

  metrics(): SharedConsumerMetrics {
    return {
      users: this.users,
      assignedPartitions: this.assignment().length,
      buffered: this.#held.current?.buffered ?? 0,
      bufferedBytes: this.#held.current?.bufferedBytes ?? 0,
      ...this.#counts,
    };
  }

  #open(listener: ConsumerListener): ConsumerClient {
    if (this.#held.isClosed) throw closedError();
    return this.#held.open().view(listener);
  }

  close(): Promise<void> {
    return this.#held.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A consumer client that several sources of fixed partitions use as their `consumer`: one connection to each broker,
 * one fetch for all. Connects when the first source is run, and lives until its owner closes it; the end of a source
 * gives up its partitions and nothing else. A source that is slow, or fails, leaves the others alone; an error that is
 * fatal to the client fails all of them, and the next one connects anew. Throws `INVALID_SETTINGS`.
 *
 * @example
 * const shared = sharedConsumer({ kafka: { brokers: "localhost:9092", groupId: "audit" } });
 *
 * const audit = (partition: number) =>
 *   committableSource({ consumer: shared, assignment: [{ topic: "orders", partition }], value: string() })
 *     .map(({ offset }) => offset)
 *     .toMat(committerSink(), DrainingControl.from);
 *
 * await Promise.all([runUntilSignal(audit(0)), runUntilSignal(audit(1))]);
 * await shared.close();
 */
export const sharedConsumer = (settings: SharedConsumerSettings): SharedConsumer => new SharedConsumers(settings);
