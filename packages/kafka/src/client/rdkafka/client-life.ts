import type { ClientProperties } from "../port.js";
import { connectorError } from "./error-codes.js";
import type { NativeConsumer, NativeProducer } from "./native.js";

export interface ClientTimeouts {
  /** How long `connect` waits for the brokers' answer. */
  readonly connectMs: number;
  /** How long `close` waits for rebalance listeners, reports and native calls. */
  readonly closeMs: number;
  /** How long it waits for a commit in flight, and for the client to disconnect once nothing else is awaited. */
  readonly graceMs: number;
}

export const CLIENT_TIMEOUTS: ClientTimeouts = { connectMs: 10_000, closeMs: 30_000, graceMs: 5_000 };

/** The brokers as the user gave them, for messages. */
export function brokersOf(properties: ClientProperties): string {
  return String(
    properties["bootstrap.servers"] ?? properties["metadata.broker.list"] ?? "(no `bootstrap.servers` given)",
  );
}

/** Connects and waits until a broker has answered; without `allTopics: false` it would describe every topic. */
export function connectClient(
  native: NativeConsumer | NativeProducer,
  kind: "consumer" | "producer",
  brokers: string,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    native.connect({ allTopics: false, timeout: timeoutMs }, (error) => {
      if (error === null || error === undefined) return resolve();
      reject(
        connectorError(
          "CONNECT_FAILED",
          `The ${kind} could not connect to ${brokers} within ${timeoutMs} ms`,
          error,
          "Check `bootstrap.servers`, the network, and that `security.protocol` and the credentials are those of the brokers.",
        ),
      );
    });
  });
}

/** The promise's result, or `undefined` once `performance.now()` has passed the deadline; leaves no timer behind. */
export async function within<T>(promise: Promise<T>, deadline: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, deadline - performance.now()));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
