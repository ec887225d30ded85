import { type DeadLetterWriter, isHopeless } from "../dead-letters/dead-letter-writer.js";
import type { LetterReason, RawRecord } from "../dead-letters/letter.js";
import { KafkaConnectorError } from "../errors/errors.js";
import type { DeadLetterOptions } from "../settings/dead-letter-settings.js";
import type { ParsedConsumer } from "../settings/parse-consumer.js";
import type { OwnedPartition } from "./partitions/owned-partition.js";
import type { HeldRecords } from "./reading/held-records.js";
import type { Delivery } from "./reading/turns.js";
import type { SessionContext } from "./rebalancing/session-context.js";

/** The topics that are known before anything is assigned. */
const topicsOf = (subscription: ParsedConsumer["subscription"]): readonly string[] => {
  if (subscription.kind === "topics") return subscription.topics;
  return subscription.kind === "pattern" ? [] : [...new Set(subscription.partitions.map(({ topic }) => topic))];
};

/** Why a record is parked, and how. */
interface Parking {
  readonly error: unknown;
  readonly options: DeadLetterOptions;
  readonly passOver: () => void;
}

/** The dead letters of a session's records. */
export class Letters {
  readonly #context: SessionContext;
  readonly #held: HeldRecords;
  readonly #open: () => DeadLetterWriter;
  #writer: DeadLetterWriter | undefined;

  constructor(context: SessionContext, held: HeldRecords, open: () => DeadLetterWriter) {
    this.#context = context;
    this.#held = held;
    this.#open = open;
  }

  /** Resolves once it is stored. */
  write(record: RawRecord, reason: Omit<LetterReason, "group">, options: DeadLetterOptions): Promise<void> {
    this.#writer ??= this.#open();
    return this.#writer.write(record, { ...reason, group: this.#context.settings.groupId }, options);
  }

  /** Writes a record that was put off, and calls `passOver` once it is stored; where it is not, the record comes again. */
  park(owned: OwnedPartition, record: RawRecord, { error, options, passOver }: Parking): void {
    const written = this.write(record, { error }, options).then(passOver);
    this.#held.untilWritten(owned, record.offset, written, isHopeless);
  }

  /** Why the letter of the first record that is delivered can never be written. */
  hopeless({ owned, run }: Delivery): { readonly error: unknown } | undefined {
    return this.#held.hopelessAt(owned, run.fetched.chunk.offset(run.from));
  }

  /** Throws where the driver cannot write them so, and fails the session where a topic for them is missing. */
  check(options: DeadLetterOptions): void {
    this.#writer ??= this.#open();
    this.#writer.dialectOf(options);
    const { settings, life, logger } = this.#context;
    this.#writer.check(topicsOf(settings.subscription), options).catch((error: unknown) => {
      if (error instanceof KafkaConnectorError && error.code === "TOPIC_NOT_FOUND") life.fail(error);
      // What brokers do not answer is asked again with the first letter.
      else if (!life.isStopped)
        logger.warn("kafka consumer: the topics for dead letters could not be checked", { error });
    });
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    await this.#writer?.close();
  }
}
