import { Sink } from "@millrace/streams";
import { MetadataClient } from "./admin/metadata-client.js";
import { z } from "zod";
import { type CommittableSettings, committableSource, plainSource } from "./consumer.js";
import { committerSink } from "./committer.js";
import { DrainingControl } from "./consumer/control.js";
import type { DeadLetter } from "./dead-letters/dead-letter.js";
import { readDeadLetter } from "./dead-letters/read-dead-letter.js";
import { replayedHeaders, roundsOf } from "./dead-letters/replayed-headers.js";
import { producerFlow } from "./producer.js";
import type { Committable } from "./offsets/batch.js";
import { type ConsumerRecord, passThrough, produce, type ProducerEnvelope } from "./records/messages.js";
import { bytes, nullable } from "./records/serde.js";
import { kafkaSchema, type KafkaSettings } from "./settings/kafka-settings.js";
import { parse, parseKafka } from "./settings/parse.js";

/** A dead letter as it is stored. */
export type LetterRecord = ConsumerRecord<Buffer, Buffer | null>;

export interface ReplaySettings {
  readonly kafka: KafkaSettings;
  /** The dead-letter topic. */
  readonly topic: string;
  /**
   * The group that remembers what was offered to `where`, so that another call goes on behind it; another group begins anew.
   * Default: the topic with `-replay` behind it, whatever `kafka.groupId` is.
   */
  readonly groupId?: string;
  /** Which letters are written back; default: all. */
  readonly where?: (letter: DeadLetter, record: LetterRecord) => boolean;
  /** Where to; default: the topic that the record was read from. */
  readonly to?: (letter: DeadLetter) => string;
  /** Throws, or rejects, for a record that would fail again; that one is left. Default: none is looked at. */
  readonly verify?: (record: LetterRecord) => unknown;
  /** Records a second, at most; default: as fast as it goes. */
  readonly rate?: number;
  /** How often a record may be written back in all; default 3. */
  readonly maxRounds?: number;
  /** Writes nothing and commits nothing; the report says what it would have done. */
  readonly dryRun?: boolean;
}

/** What has become of the letters that were there when the replay began; `toString` puts it in words. */
export interface ReplayReport {
  readonly read: number;
  /** Written back. */
  readonly replayed: number;
  /** Left by `where`. */
  readonly left: number;
  /** Nobody's that `readDeadLetter` knows. */
  readonly unknown: number;
  /** Written without their value. */
  readonly valueLost: number;
  /** Written back `maxRounds` times before. */
  readonly tooOften: number;
  /** Refused by `verify`. */
  readonly refused: number;
  toString(): string;
}

const CALL = "replayDeadLetters";

const given = <F>(): z.ZodOptional<z.ZodType<F>> =>
  z.custom<F>((value) => typeof value === "function", "a function").optional();

const schema = z.strictObject({
  kafka: kafkaSchema,
  topic: z.string().min(1),
  groupId: z.string().min(1).optional(),
  where: given<NonNullable<ReplaySettings["where"]>>(),
  to: given<NonNullable<ReplaySettings["to"]>>(),
  verify: given<NonNullable<ReplaySettings["verify"]>>(),
  rate: z.number().int().positive().optional(),
  maxRounds: z.number().int().positive().default(3),
  dryRun: z.boolean().default(false),
});

type Parsed = z.output<typeof schema>;

type Fate = Exclude<keyof ReplayReport, "read" | "toString">;

const WORDS: Readonly<Record<Fate, string>> = {
  replayed: "written back",
  left: "left by where",
  unknown: "not written by anybody that is known",
  valueLost: "without their value",
  tooOften: "written back too often before",
  refused: "refused by verify",
};

class Counts {
  readonly #counts: Record<Fate, number> = { replayed: 0, left: 0, unknown: 0, valueLost: 0, tooOften: 0, refused: 0 };

  add(fate: Fate): void {
    this.#counts[fate] += 1;
  }

  report(dryRun: boolean): ReplayReport {
    const counts = { ...this.#counts };
    const read = Object.values(counts).reduce((sum, each) => sum + each, 0);
    const fates = Object.entries(counts) as readonly (readonly [Fate, number])[];
    const said = fates.filter(([, count]) => count > 0).map(([fate, count]) => `${count} ${WORDS[fate]}`);
    const text = [`${read} read`, ...said].join(", ");
    return { read, ...counts, toString: () => (dryRun ? `nothing was written: ${text}` : text) };
  }
}

/** A source would wait for a topic that is not there. */
const requireTopic = async (kafka: KafkaSettings, topic: string): Promise<void> => {
  await using metadata = await MetadataClient.open({ kafka });
  await metadata.partitionsFor(topic);
};

const serdes = { key: bytes(), value: nullable(bytes()) };

type Letters<P> = ProducerEnvelope<Buffer, Buffer | null, P>;

/** One look at all letters of a topic. */
class Replay {
  readonly #settings: Parsed;
  readonly #reading: CommittableSettings<Buffer, Buffer | null>;
  readonly #kafka: KafkaSettings;
  readonly #sendsBytes: boolean;
  readonly #counts = new Counts();

  constructor(kafka: KafkaSettings, settings: Parsed) {
    const { topic, groupId = `${topic}-replay` } = settings;
    this.#settings = settings;
    this.#kafka = kafka;
    this.#reading = { kafka, groupId, topics: [topic], ...serdes, until: "end", autoOffsetReset: "earliest" };
    this.#sendsBytes = parseKafka(kafka, CALL).driver.sendsBytesInHeaders;
  }

  async run(): Promise<ReplayReport> {
    const { dryRun } = this.#settings;
    await (dryRun ? this.#look() : this.#write());
    return this.#counts.report(dryRun);
  }

  #look(): Promise<void> {
    return plainSource(this.#reading)
      .mapAsync(1, (record) => this.#envelope(record, undefined))
      .withAttributes({ name: CALL })
      .runWith(Sink.ignore);
  }

  #write(): Promise<void> {
    const { rate } = this.#settings;
    const source = committableSource(this.#reading);
    return (rate === undefined ? source : source.throttle({ elements: rate, perMs: 1000 }))
      .mapAsync(16, ({ record, offset }) => this.#envelope(record, offset))
      .via(producerFlow({ kafka: this.#kafka, ...serdes }))
      .map((result): Committable => result.passThrough)
      .withAttributes({ name: CALL })
      .toMat(committerSink(), DrainingControl.from)
      .run().streamCompletion;
  }

  async #envelope<P>(record: LetterRecord, offset: P): Promise<Letters<P>> {
    const letter = readDeadLetter(record);
    const fate = await this.#fateOf(letter, record);
    this.#counts.add(fate);
    if (fate !== "replayed" || !letter) return passThrough(offset);
    const { to } = this.#settings;
    const { original } = letter;
    const { key, value } = record;
    const place = to || original.partition === undefined ? {} : { partition: original.partition };
    const headers = replayedHeaders(record.headers, original, this.#sendsBytes);
    return produce({ topic: to ? to(letter) : original.topic, ...place, key, value, headers }, offset);
  }

  async #fateOf(letter: DeadLetter | undefined, record: LetterRecord): Promise<Fate> {
    const { where, verify, maxRounds } = this.#settings;
    if (!letter) return "unknown";
    if (where && !where(letter, record)) return "left";
    if (letter.valueLost) return "valueLost";
    if (roundsOf(record.headers) >= maxRounds) return "tooOften";
    try {
      await verify?.(record);
    } catch {
      return "refused";
    }
    return "replayed";
  }
}

/**
 * Writes records back from a dead-letter topic to where they were read first, with their key, value and headers: those of
 * Millrace, Spring Kafka, SmallRye, Kafka Connect and Karafka. Resolves with a report once all that was in the topic when it began
 * has been looked at. Records keep their idempotency key. One whose value is lost is left, and so is one that was written back
 * `maxRounds` times before.
 *
 * At least once: what was written back before a crash may be written again. Rejects with `INVALID_SETTINGS`, with
 * `TOPIC_NOT_FOUND`, and with whatever fails a stream of a source and a producer; then it may be called again.
 *
 * @example
 * const report = await replayDeadLetters({
 *   kafka: { brokers: "localhost:9092" },
 *   topic: "orders-dlt",
 *   where: ({ error }) => error.message === "503",
 *   rate: 100,
 * });
 */
export const replayDeadLetters = async (settings: ReplaySettings): Promise<ReplayReport> => {
  const replay = new Replay(settings.kafka, parse(schema, settings, CALL));
  await requireTopic(settings.kafka, settings.topic);
  return replay.run();
};
