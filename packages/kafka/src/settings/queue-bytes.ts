import type { ClientProperties } from "../client/port.js";

/** Of the client's queue, where several users of one client have more in flight than each of them may. */
const QUEUE_KB = 64 * 2 ** 10;

/** A record that is larger than the queue would wait for ever, and so would all behind it. */
const LARGEST_KB = 1000;

/** The properties with a bound of the client's queue below them: librdkafka's own is 1 GB. */
export const withQueue = (properties: ClientProperties, maxInFlightBytes: number): ClientProperties => {
  const largest = properties["message.max.bytes"];
  const largestKb = largest === undefined ? LARGEST_KB : Math.ceil(Number(largest) / 1000);
  const queueKb = Math.max(QUEUE_KB, Math.ceil(maxInFlightBytes / 2 ** 10), largestKb);
  return { "queue.buffering.max.kbytes": Math.min(queueKb, 2_147_483_647), ...properties };
};
