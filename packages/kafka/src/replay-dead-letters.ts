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
  const metadata = await MetadataClient.open({ kafka });
  try {
    await metadata.partitionsFor(topic);
  } finally {
    await metadata.close();
  }
};

const attributes = { name: "replayDeadLetters" };

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
  const call = "replayDeadLetters";
  const {
    topic,
    where,
    to,
    verify,
    rate,
    maxRounds,
    dryRun,
    groupId = `${topic}-replay`,
  } = parse(schema, settings, call);
  const { kafka } = settings;
  const { sendsBytesInHeaders } = parseKafka(kafka, call).driver;
  await requireTopic(kafka, topic);
  const counts = new Counts();

  const fateOf = async (letter: DeadLetter | undefined, record: LetterRecord): Promise<Fate> => {
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
  };
  const envelope = async <P>(record: LetterRecord, offset: P): Promise<ProducerEnvelope<Buffer, Buffer | null, P>> => {
    const letter = readDeadLetter(record);
    const fate = await fateOf(letter, record);
    counts.add(fate);
    if (fate !== "replayed" || !letter) return passThrough(offset);
    const { key, value } = record;
    const { original } = letter;
    const place = to || original.partition === undefined ? {} : { partition: original.partition };
    const headers = replayedHeaders(record.headers, original, sendsBytesInHeaders);
    return produce({ topic: to ? to(letter) : original.topic, ...place, key, value, headers }, offset);
  };

  const reading: CommittableSettings<Buffer, Buffer | null> = {
    kafka,
    groupId,
    topics: [topic],
    key: bytes(),
    value: nullable(bytes()),
    until: "end",
    autoOffsetReset: "earliest",
  };
  if (dryRun) {
    await plainSource(reading)
      .mapAsync(1, (record) => envelope(record, undefined))
      .withAttributes(attributes)
      .runWith(Sink.ignore);
    return counts.report(dryRun);
  }
  const source = committableSource(reading);
  const paced = rate === undefined ? source : source.throttle({ elements: rate, perMs: 1000 });
  const control = paced
    .mapAsync(16, ({ record, offset }) => envelope(record, offset))
    .via(producerFlow({ kafka, key: bytes(), value: nullable(bytes()) }))
    .map((result) => result.passThrough)
    .withAttributes(attributes)
    .toMat(committerSink(), DrainingControl.from)
    .run();
  await control.streamCompletion;
  return counts.report(dryRun);
};
