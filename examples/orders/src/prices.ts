/** The service that the pipeline asks for prices: remote, so it takes its time. */
import { setTimeout as delay } from "node:timers/promises";
import type { Attempt } from "@millrace/kafka";
import { type Order, type OrderLine, priceList, randomNumbers } from "./orders.js";

const USUAL_MS = { least: 1, most: 4 };
const SLOW_MS = 40;
const SLOW_SHARE = 0.005;

/** What it is, in words. */
export const PRICE_SERVICE: string = `it answers in ${USUAL_MS.least} to ${USUAL_MS.most} ms, and once in a while in ${SLOW_MS}`;

export type Prices = (skus: readonly string[]) => Promise<ReadonlyMap<string, number>>;

/** See `PRICE_SERVICE`. */
export const remotePrices = (seed: number): Prices => {
  const random = randomNumbers(seed);
  return async (skus) => {
    const usualMs = USUAL_MS.least + random() * (USUAL_MS.most - USUAL_MS.least);
    await delay(random() < SLOW_SHARE ? SLOW_MS : usualMs);
    return new Map(skus.map((sku) => [sku, priceList.get(sku) ?? 0]));
  };
};

/** From an order to its priced lines; a poison record has none. */
export const enrichWith =
  (prices: Prices) =>
  async (order: Attempt<Order>): Promise<readonly OrderLine[]> => {
    if (!order.ok) return [];
    const { id, customer, items } = order.value;
    const cents = await prices(items.map(({ sku }) => sku));
    return items.map(({ sku, quantity }, index) => ({
      id: `${id}-${index + 1}`,
      customer,
      sku,
      quantity,
      cents: quantity * (cents.get(sku) ?? 0),
    }));
  };
