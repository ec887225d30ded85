import type { ParsedConsumer } from "./parse-consumer.js";

/** A label that names more is no longer readable. */
const MOST = 3;

const some = (names: readonly string[]): string => {
  const shown = names.slice(0, MOST).join(", ");
  return names.length > MOST ? `${shown} and ${names.length - MOST} more` : shown;
};

const time = (timestamp: number): string => {
  const date = new Date(timestamp);
  // Beyond what a date can be.
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString();
};

/** `orders`, `/^pay/`, `orders[0]`, `orders[0] from 42`, `orders[0] from 2026-01-31T12:00:00.000Z`; three of many. */
export const subscriptionText = (subscription: ParsedConsumer["subscription"]): string => {
  if (subscription.kind === "pattern") return String(subscription.pattern);
  if (subscription.kind === "topics") return some(subscription.topics);
  return some(
    subscription.partitions.map(({ topic, partition, offset, timestamp }) => {
      const from = timestamp === undefined ? offset : time(timestamp);
      return `${topic}[${partition}]${from === undefined ? "" : ` from ${from}`}`;
    }),
  );
};
