/** Loaded before a snippet of a page runs: what the page leaves to its reader (`declare const ship: …`). */
import type { Order, OrderLine } from "../../../examples/orders/src/orders.js";

/** Told on the standard output, where the test looks for the orders' ids. */
const told = async (...values: readonly unknown[]): Promise<void> => console.log("handled", JSON.stringify(values));

const lineOf = ({ id, customer }: Order): OrderLine => ({ id, customer, sku: "book", quantity: 1, cents: 990 });

/** Known once they were fetched. */
const schemas = {
  known: undefined as { read(bytes: Buffer): unknown } | undefined,
  get: () => schemas.known,
  fetch: async () => {
    schemas.known = { read: (bytes) => JSON.parse(bytes.toString()) as unknown };
  },
};

export const stubs: Readonly<Record<string, unknown>> = {
  ship: told,
  book: told,
  index: told,
  insert: told,
  post: told,
  deliver: told,
  enrich: async (order: Order) => [lineOf(order)],
  schemas,
  db: { nextOffset: async () => 0, insert: told },
};

Object.assign(globalThis, stubs);
