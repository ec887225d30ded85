import type { OutgoingRecord } from "@millrace/kafka";

const FILLER = "x".repeat(50);

export const keyOfSequence = (sequence: number): string => `customer-${(sequence * 7919) % 1000}`;

/** Small JSON with a key; the value says its partition and its place in it, so that any order can be judged. */
export const sequencedRecord = (topic: string, partition: number, sequence: number): OutgoingRecord => ({
  topic,
  partition,
  key: Buffer.from(keyOfSequence(sequence)),
  value: Buffer.from(JSON.stringify({ partition, sequence, note: FILLER })),
});

/** So many for each partition, one for each of them at a time. */
export function* sequencedRecords(topic: string, partitions: number, perPartition: number): Generator<OutgoingRecord> {
  for (let sequence = 0; sequence < perPartition; sequence++) {
    for (let partition = 0; partition < partitions; partition++) {
      yield sequencedRecord(topic, partition, sequence);
    }
  }
}

/** The place which the value was given by `sequencedRecords`. */
export function partitionOf(value: string): { readonly partition: number; readonly sequence: number } {
  return JSON.parse(value) as { readonly partition: number; readonly sequence: number };
}

/**
 * Judges a copy by one pipeline after the other: each must go on without a hole or a step back from where it began, and
 * the copies together must hold every sequence number first in order.
 */
export class SequenceCheck {
  /** Per partition, the first sequence number that was not seen. */
  readonly next: number[];
  readonly violations: string[] = [];
  duplicates = 0;
  #expected: number[];

  constructor(partitions: number) {
    this.next = Array.from({ length: partitions }, () => 0);
    this.#expected = [...this.next];
  }

  /** Another pipeline begins at these positions. */
  begin(positions: readonly number[]): void {
    this.#expected = [...positions];
  }

  /** A record of whichever pipeline, where several copy a partition in turn: it may come again, but never before another. */
  addAny(partition: number, value: string): void {
    const { sequence } = partitionOf(value);
    this.#expected[partition] = Math.min(sequence, this.next[partition] ?? 0);
    this.add(partition, value);
  }

  add(partition: number, value: string): void {
    const { partition: from, sequence } = partitionOf(value);
    const expected = this.#expected[partition] ?? 0;
    const next = this.next[partition] ?? 0;
    if (from !== partition) this.#violate(`partition ${partition} has a record of ${from}`);
    if (sequence !== expected) this.#violate(`partition ${partition} has ${sequence} where ${expected} was expected`);
    this.#expected[partition] = sequence + 1;
    if (sequence < next) this.duplicates += 1;
    else this.next[partition] = sequence + 1;
  }

  #violate(text: string): void {
    // One is enough to fail, and a broken order would give thousands.
    if (this.violations.length < 10) this.violations.push(text);
  }
}
