import { z } from "zod";
import type { ClientProperties } from "../client/port.js";
import { byteCount } from "./byte-count.js";
import { type CheckedKafka, kafkaSchema, propertiesSchema, serdeShape } from "./kafka-settings.js";

const positive = z.number().int().positive();

/** Bounds of a producer, and how it treats a record that fails. */
export interface ProducerBounds {
  readonly parallelism: number;
  readonly maxInFlightBytes: number;
  readonly failures: "stream" | "element";
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

/** Checked, with defaults: of exactly one of `kafka` and `producer`. */
export interface CheckedProducer extends ProducerBounds {
  readonly kafka?: CheckedKafka | undefined;
  readonly properties?: ClientProperties | undefined;
}

export const producerSchema: z.ZodType<CheckedProducer> = z
  .strictObject({
    kafka: kafkaSchema.optional(),
    // Checked where it is used: what it is, only its own file knows.
    producer: z.unknown().optional(),
    ...serdeShape,
    properties: propertiesSchema.optional(),
    parallelism: positive.default(4000),
    maxInFlightBytes: byteCount.default(32 * 2 ** 20),
    failures: z.enum(["stream", "element"]).default("stream"),
    maxWaiting: positive.default(10_000),
    maxWaitingBytes: byteCount.default(32 * 2 ** 20),
  })
  .refine(
    ({ kafka, producer }) => (kafka === undefined) !== (producer === undefined),
    "give exactly one of kafka and producer",
  )
  .refine(
    (settings) => settings.producer === undefined || settings.properties === undefined,
    "properties belong to the client: give them to sharedProducer",
  );
