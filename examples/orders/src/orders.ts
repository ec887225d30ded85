/** What flows through the demo: orders in, order lines out, and a generator that knows what must come out. */
import { z } from "zod";

export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly items: readonly { readonly sku: string; readonly quantity: number }[];
}

export const Order: z.ZodType<Order> = z.object({
  id: z.string(),
  customer: z.string(),
  items: z.array(z.object({ sku: z.string(), quantity: z.number().int().positive() })),
});

/** One position of an order with its price. */
export interface OrderLine {
  readonly id: string;
  readonly customer: string;
  readonly sku: string;
  readonly quantity: number;
  readonly cents: number;
}

export const OrderLine: z.ZodType<OrderLine> = z.object({
  id: z.string(),
  customer: z.string(),
  sku: z.string(),
  quantity: z.number(),
  cents: z.number(),
});

/** A record of topic `orders`, and the lines that must come of it: none of a poison record or an empty order. */
export interface SeedRecord {
  readonly key: string;
  readonly value: string;
  readonly kind: "order" | "empty" | "poison";
  readonly lines: readonly OrderLine[];
}

const CUSTOMERS = 500;
const PRODUCTS = 200;
const MAX_ITEMS = 4;
const POISON_SHARE = 0.005;
const EMPTY_SHARE = 0.01;

/** What each product costs, in cents. */
export const priceList: ReadonlyMap<string, number> = new Map(
  Array.from({ length: PRODUCTS }, (_, index) => [`sku-${index}`, 99 + ((index * 7919) % 10_000)]),
);

/** Numbers in [0, 1), the same ones for the same seed. */
export const randomNumbers = (seed: number): (() => number) => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  // Neighbouring seeds begin alike.
  for (let warmUp = 0; warmUp < 8; warmUp++) next();
  return next;
};

/** Customer numbers by Zipf's law: the first orders most, the n-th an n-th of that. */
const zipf = (count: number, random: () => number): (() => number) => {
  const cumulated: number[] = [];
  let total = 0;
  for (let rank = 1; rank <= count; rank++) cumulated.push((total += 1 / rank));
  return () => {
    const wanted = random() * total;
    return cumulated.findIndex((sum) => sum > wanted);
  };
};

const linesOf = ({ id, customer, items }: Order): readonly OrderLine[] =>
  items.map(({ sku, quantity }, index) => ({
    id: `${id}-${index + 1}`,
    customer,
    sku,
    quantity,
    cents: quantity * (priceList.get(sku) ?? 0),
  }));

/** In turn: half an order, and one that is valid JSON but no order. */
const poison = (order: Order, index: number): string => {
  const text = JSON.stringify(order);
  return index % 2 === 0
    ? text.slice(0, text.length / 2)
    : JSON.stringify({ ...order, items: "none of your business" });
};

/** The same records for the same seed, in the order in which they are written. */
export const generateOrders = (count: number, seed: number): readonly SeedRecord[] => {
  const random = randomNumbers(seed);
  const customerNumber = zipf(CUSTOMERS, random);
  const below = (bound: number): number => Math.floor(random() * bound);
  const items = (length: number): Order["items"] =>
    Array.from({ length }, () => ({ sku: `sku-${below(PRODUCTS)}`, quantity: 1 + below(9) }));

  return Array.from({ length: count }, (_, index): SeedRecord => {
    const customer = `customer-${customerNumber()}`;
    const lot = random();
    const kind = lot < POISON_SHARE ? "poison" : lot < POISON_SHARE + EMPTY_SHARE ? "empty" : "order";
    const order = { id: `order-${index + 1}`, customer, items: items(kind === "empty" ? 0 : 1 + below(MAX_ITEMS)) };
    return kind === "poison"
      ? { key: customer, value: poison(order, index), kind, lines: [] }
      : { key: customer, value: JSON.stringify(order), kind, lines: linesOf(order) };
  });
};
