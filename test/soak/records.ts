/** What the harness writes and what the workers make of it: every output says which delivery of which record it is of. */

const KEYS = 1000;
const FILLER = "x".repeat(50);
/** Spreads neighbouring numbers over the keys; odd, so that no two numbers below 2^32 collide before the remainder. */
const SPREAD = 2_654_435_761;

/** Which delivery of a record: a worker's life, the assignment of the partition within it, and the moment. */
export interface Stamp {
  readonly life: number;
  /** Counts the assignments of the partition to this life; -1: the partition had been given up. */
  readonly generation: number;
  readonly deliveredAt: number;
}

export interface Output extends Stamp {
  /** The input record's number. */
  readonly number: number;
  /** Counted from 0 to `partsOf(number) - 1`. */
  readonly part: number;
  /** Where the input record was read; the output is in the partition of the same number. */
  readonly partition: number;
  readonly offset: number;
}

/** Index of a record's key. Within one key numbers grow, so they are its sequence numbers. */
export const keyOf = (number: number): number => (Math.imul(number, SPREAD) >>> 0) % KEYS;

export const partitionOf = (number: number, partitions: number): number => keyOf(number) % partitions;

/** One record in ten has two outputs, which finish it together; in every partition, which the lowest bits decide. */
export const partsOf = (number: number): number => ((number >>> 3) % 10 === 3 ? 2 : 1);

export const inputValue = (number: number): string => JSON.stringify({ number, note: FILLER });

export const numberOf = (inputText: string): number => (JSON.parse(inputText) as { readonly number: number }).number;

export const outputValue = (output: Output): string =>
  [
    output.number,
    output.part,
    output.partition,
    output.offset,
    output.life,
    output.generation,
    output.deliveredAt,
  ].join();

export const parseOutput = (text: string): Output => {
  const [number = NaN, part = NaN, partition = NaN, offset = NaN, life = NaN, generation = NaN, deliveredAt = NaN] =
    text.split(",").map(Number);
  return { number, part, partition, offset, life, generation, deliveredAt };
};
