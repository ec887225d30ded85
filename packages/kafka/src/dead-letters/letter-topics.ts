import { AdminClient } from "../admin/admin-client.js";
import { MetadataClient } from "../admin/metadata-client.js";
import { failedBy, KafkaConnectorError } from "../errors/errors.js";
import type { DeadLetterOptions } from "../settings/dead-letter-settings.js";
import type { KafkaSettings } from "../settings/kafka-settings.js";

/** A dead-letter topic, and the topic whose records it gets. */
export interface LetterTopic {
  readonly topic: string;
  readonly of: string;
}

const isMissing = (error: unknown): boolean => error instanceof KafkaConnectorError && error.code === "TOPIC_NOT_FOUND";

const missing = ({ topic, of }: LetterTopic, partitions: number): KafkaConnectorError =>
  new KafkaConnectorError(
    "TOPIC_NOT_FOUND",
    `There is no topic ${topic}, to which records of ${of} that fail are to be written. Create it (kafka-topics.sh --create --topic ${topic} --partitions ${partitions}), or let deadLetters({ createTopics: true }) do so.`,
    { retriable: true },
  );

/** Letters wait for an answer, and not for a client that is slow to close; who waits for that in vain is logged elsewhere. */
const leave = (closing: Promise<void>): void => void closing.catch(() => undefined);

/** How many partitions dead-letter topics have; asked for once, and again after `forget`. */
export class LetterTopics {
  readonly #kafka: KafkaSettings;
  readonly #known = new Map<string, Promise<number>>();

  constructor(kafka: KafkaSettings) {
    this.#kafka = kafka;
  }

  /** Rejects with `TOPIC_NOT_FOUND`, unless the topic is to be made. */
  partitions(letter: LetterTopic, options: DeadLetterOptions): Promise<number> {
    const known = this.#known.get(letter.topic);
    if (known) return known;
    const asked = this.#ask(letter, options);
    this.#known.set(letter.topic, asked);
    asked.catch(() => this.forget(letter.topic));
    return asked;
  }

  forget(topic: string): void {
    this.#known.delete(topic);
  }

  async #ask(letter: LetterTopic, { createTopics = false }: DeadLetterOptions): Promise<number> {
    const metadata = await MetadataClient.open({ kafka: this.#kafka });
    try {
      return (await metadata.partitionsFor(letter.topic)).length;
    } catch (error) {
      if (!isMissing(error)) throw error;
      const source = await metadata.partitionsFor(letter.of);
      if (!createTopics) throw missing(letter, source.length);
      await this.#create(letter.topic, source.length, source[0]?.replicas.length ?? 1);
      return source.length;
    } finally {
      leave(metadata.close());
    }
  }

  async #create(topic: string, partitions: number, replicationFactor: number): Promise<void> {
    const admin = AdminClient.create({ kafka: this.#kafka });
    try {
      await admin.createTopic(topic, { partitions, replicationFactor, config: { "cleanup.policy": "delete" } });
    } catch (error) {
      // Another process was faster.
      if (!(error instanceof KafkaConnectorError && error.code === "TOPIC_EXISTS")) throw error;
    } finally {
      leave(admin.close());
    }
  }
}

/** The topic, or the partition, is not there any more. */
export const isGone = (error: unknown): boolean => failedBy(error, "notFound");
