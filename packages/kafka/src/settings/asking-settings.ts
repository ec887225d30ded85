import type { Logger } from "@millrace/streams";
import { z } from "zod";
import type { ClientProperties, KafkaDriver } from "../client/port.js";
import type { KafkaSettings } from "./kafka-settings.js";
import { parse, parseKafka } from "./parse.js";

/** What a client that asks is made of. */
export interface AskingOptions {
  readonly driver: KafkaDriver;
  readonly properties: ClientProperties;
  readonly logger: Logger;
  readonly groupId: string | undefined;
}

/** Settings of a client that asks and changes, and reads no records. */
export interface AskingSettings {
  readonly kafka: KafkaSettings;
  /** How long each call may take, in milliseconds; default 5000. */
  readonly timeoutMs?: number;
}

const shape = { kafka: z.unknown(), timeoutMs: z.number().int().positive().default(5000) };
const metadataSchema = z.strictObject({ ...shape, groupId: z.string().min(1).optional() });
const adminSchema = z.strictObject(shape);

/** For the test that compares them with the page of settings; an admin client has no `groupId`. */
export const askingSchema: z.ZodType = metadataSchema;

export interface ParsedAsking extends AskingOptions {
  readonly timeoutMs: number;
}

export const parseMetadata = (settings: unknown, call: string): ParsedAsking => {
  const { kafka, groupId, timeoutMs } = parse(metadataSchema, settings, call);
  const reached = parseKafka(kafka, call);
  const named = groupId ?? reached.groupId ?? reached.properties["group.id"]?.toString();
  return { ...reached, groupId: named, timeoutMs };
};

/** Without a group: each call names its own. */
export const parseAdmin = (settings: unknown, call: string): ParsedAsking => {
  const { kafka, timeoutMs } = parse(adminSchema, settings, call);
  return { ...parseKafka(kafka, call), groupId: undefined, timeoutMs };
};
