import { partitionKey } from "../client/partition-key.js";
import type { ParsedPolicy } from "../settings/handle-settings.js";
import type { Handled } from "./running-attempt.js";

/** Keys that a serde has made an object of are the same where their texts are. */
const textOf = (key: object): string => (Buffer.isBuffer(key) ? key.toString("latin1") : JSON.stringify(key));

const keyOf = (record: Handled): unknown => {
  const { key } = record;
  // Without a key it waits for no other.
  if (key === null || key === undefined) return record;
  return typeof key === "object" ? textOf(key) : key;
};

/** What records have in common of which one waits for the one before it. */
export const orderKeyOf = (order: Exclude<ParsedPolicy["order"], "none">): ((record: Handled) => unknown) =>
  order === "key" ? keyOf : partitionKey;
