import { printable } from "@millrace/streams/stage";
import { partitionName, recordName } from "../client/partition-key.js";
import type { KafkaDriver } from "../client/port.js";
import { failedBy, KafkaConnectorError } from "../errors/errors.js";
import { SendProducer } from "../producer/send-producer.js";
import { bytes, nullable } from "../records/serde.js";
import type { DeadLetterOptions, WrittenDialect } from "../settings/dead-letter-settings.js";
import type { KafkaSettings } from "../settings/kafka-settings.js";
import { parseKafka } from "../settings/parse.js";
import type { Detail } from "./failure-details.js";
import type { LetterReason, RawRecord } from "./letter.js";
import { isGone, LetterTopics } from "./letter-topics.js";
import { sendableHeaders } from "./sendable-headers.js";
import { writtenHeaders } from "./written-headers.js";

/** What is left out of a letter that is too large. */
const DETAILS: readonly Detail[] = ["all", "without stack", "name only"];

/** A letter is worth nothing that is lost with a broker. */
const SAFELY = { acks: "all", "enable.idempotence": true };

/** Writing the letter again is of no use. */
export const isHopeless = (error: unknown): boolean =>
  error instanceof KafkaConnectorError && (error.code === "DEAD_LETTER_TOO_LARGE" || error.code === "INVALID_SETTINGS");

type Sender = SendProducer<Buffer | null, Buffer | null>;

/** Writes records of a source to dead-letter topics, by a producer of its own that connects with the first of them. */
export class DeadLetterWriter {
  readonly #kafka: KafkaSettings;
  readonly #call: string;
  readonly #driver: KafkaDriver;
  readonly #topics: LetterTopics;
  #sender: Sender | undefined;

  constructor(kafka: KafkaSettings, call: string) {
    this.#kafka = kafka;
    this.#call = call;
    this.#driver = parseKafka(kafka, call).driver;
    this.#topics = new LetterTopics(kafka);
  }

  /** Throws where the driver cannot write them so. */
  dialectOf({ headers }: DeadLetterOptions): WrittenDialect {
    const { name, sendsBytesInHeaders } = this.#driver;
    if (headers === "spring" && !sendsBytesInHeaders) {
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        `${this.#call}: deadLetters({ headers: "spring" }) needs bytes in headers, for Spring's numbers are bytes, and the driver ${name} sends only text. Take headers: "plain", or confluentDriver.`,
      );
    }
    return headers ?? (sendsBytesInHeaders ? "spring" : "plain");
  }

  /** Rejects with `TOPIC_NOT_FOUND` where the topic for the records of one of `topics` is missing, and is not to be made. */
  async check(topics: readonly string[], options: DeadLetterOptions): Promise<void> {
    // Where a function chooses the topic, it is known with the record.
    if (typeof options.topic === "function") return;
    for (const of of topics)
      await this.#topics.partitions({ topic: this.#topicOf(of, undefined, options), of }, options);
  }

  /**
   * Resolves once the letter is stored, and rejects where it is not, also where its topic is missing; with
   * `DEAD_LETTER_TOO_LARGE` where trying again is of no use.
   */
  async write(record: RawRecord, reason: LetterReason, options: DeadLetterOptions): Promise<void> {
    const topic = this.#topicOf(record.topic, reason.error, options);
    const partitions = await this.#topics.partitions({ topic, of: record.topic }, options);
    const place = record.partition < partitions ? { topic, partition: record.partition } : { topic };
    try {
      await this.#send(place, record, reason, this.dialectOf(options));
    } catch (error) {
      if (isGone(error)) this.#topics.forget(topic);
      throw error;
    }
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#sender?.close();
  }

  #topicOf(topic: string, error: unknown, options: DeadLetterOptions): string {
    if (typeof options.topic === "string") return options.topic;
    const chosen: unknown = options.topic ? options.topic({ topic, error }) : `${topic}-dlt`;
    if (typeof chosen === "string" && chosen !== "" && chosen !== topic) return chosen;
    throw new KafkaConnectorError(
      "INVALID_SETTINGS",
      `${this.#call}: deadLetters.topic answered ${chosen === topic ? "the record's own topic" : typeof chosen} for a record of ${printable(topic, 249)}. Answer the name of another one, at once.`,
    );
  }

  async #send(
    place: { readonly topic: string; readonly partition?: number },
    record: RawRecord,
    reason: LetterReason,
    dialect: WrittenDialect,
  ): Promise<void> {
    this.#sender ??= SendProducer.create({
      ...{ kafka: this.#kafka, key: nullable(bytes()), value: nullable(bytes()), properties: SAFELY },
    });
    for (const detail of DETAILS) {
      const written = writtenHeaders(dialect, record, reason, detail);
      const headers = this.#driver.sendsBytesInHeaders ? written : sendableHeaders(written);
      try {
        await this.#sender.send({ ...place, key: record.key, value: record.value, headers });
        return;
      } catch (error) {
        if (!failedBy(error, "tooLarge")) throw error;
        if (detail === "name only") throw this.#tooLarge(place.topic, record, error);
      }
    }
  }

  #tooLarge(topic: string, record: RawRecord, cause: unknown): KafkaConnectorError {
    return new KafkaConnectorError(
      "DEAD_LETTER_TOO_LARGE",
      `${recordName(record)} is larger than ${topic} takes, or than message.max.bytes lets the producer send, so it cannot be written there. Raise max.message.bytes of ${topic} to that of ${partitionName(record)}, and message.max.bytes in kafka.properties.`,
      { cause },
    );
  }
}
