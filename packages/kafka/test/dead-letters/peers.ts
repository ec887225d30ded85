import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Headers } from "@millrace/kafka";

export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What a peer has written, in hex. */
export interface Written extends Place {
  readonly writer: string;
  readonly situation: string;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

interface Fixtures {
  readonly records: readonly Written[];
  readonly inputs: readonly (Place & Pick<Written, "timestamp" | "key" | "value">)[];
}

export const { records, inputs }: Fixtures = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/peers.json"), "utf8"),
) as Fixtures;

export const headersOf = ({ headers }: Pick<Written, "headers">): Headers =>
  headers.map(([name, value]) => [name, value === null ? null : Buffer.from(value, "hex")]);

/** The one record of that topic, written by the newest of each peer. */
export const written = (topic: string, partition?: number): Written => {
  const found = records.find(
    (each) =>
      each.topic === topic &&
      (partition === undefined || each.partition === partition) &&
      !each.writer.startsWith("spring-kafka 3"),
  );
  if (!found) throw new Error(`there is none of ${topic}`);
  return found;
};
