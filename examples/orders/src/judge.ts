import type { OrderLine } from "./orders.js";

export interface Evidence {
  /** The lines that each order must have produced, order by order; orders without lines are not asked about. */
  readonly expected: readonly (readonly OrderLine[])[];
  /** What was read back from the topic of order lines. */
  readonly found: readonly OrderLine[];
  /** By partition of the orders: the offset after the last record. */
  readonly ends: readonly number[];
  /** By partition of the orders: the committed offset; `undefined` where nothing was committed. */
  readonly committed: readonly (number | undefined)[];
  /** How many orders the kills may have made to be done again. */
  readonly budget: number;
}

export interface Verdict {
  readonly orders: number;
  /** Orders of which every line was found. */
  readonly delivered: number;
  readonly lost: number;
  /** Orders done again, counted each time: by the line of each that was found most often. */
  readonly duplicated: number;
  /** What else is wrong, in sentences. */
  readonly complaints: readonly string[];
  readonly passed: boolean;
}

const sameLine = (a: OrderLine, b: OrderLine): boolean =>
  a.id === b.id && a.customer === b.customer && a.sku === b.sku && a.quantity === b.quantity && a.cents === b.cents;

/** Whether every order became exactly the lines it should, and every order's offset is committed. */
export const judge = ({ expected, found, ends, committed, budget }: Evidence): Verdict => {
  const wanted = new Map(expected.flat().map((line) => [line.id, line]));
  const seen = new Map<string, number>();
  let wrong = 0;
  for (const line of found) {
    const original = wanted.get(line.id);
    if (original === undefined || !sameLine(original, line)) wrong += 1;
    else seen.set(line.id, (seen.get(line.id) ?? 0) + 1);
  }
  const withLines = expected.filter((lines) => lines.length > 0);
  const delivered = withLines.filter((lines) => lines.every(({ id }) => seen.has(id))).length;
  const lost = withLines.length - delivered;
  // An order may have been cut off after some of its lines, so they are not found equally often.
  const times = (lines: readonly OrderLine[]): number => Math.max(...lines.map(({ id }) => seen.get(id) ?? 0));
  const duplicated = withLines.reduce((sum, lines) => sum + Math.max(0, times(lines) - 1), 0);
  const complaints = [
    ...(wrong > 0 ? [`Lines found that no order asked for: ${wrong}.`] : []),
    ...(duplicated > budget ? [`Orders done again: ${duplicated}, and the budget is ${budget}.`] : []),
    ...ends.flatMap((end, partition) => {
      // Kafka knows no committed offset for a partition that never had a record.
      const position = committed[partition] ?? 0;
      return position === end ? [] : [`Partition ${partition} ends at offset ${end}, but ${position} is committed.`];
    }),
  ];
  return {
    orders: withLines.length,
    delivered,
    lost,
    duplicated,
    complaints,
    passed: lost === 0 && complaints.length === 0,
  };
};

/** The last line of the demo. */
export const sentence = ({ delivered, orders, lost, duplicated }: Verdict): string =>
  `delivered ${delivered} of ${orders} orders, lost ${lost}, duplicated ${duplicated}`;
