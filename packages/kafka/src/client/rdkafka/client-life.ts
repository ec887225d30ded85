import { KafkaConnectorError } from "../../errors/errors.js";
import type { ClientProperties } from "../port.js";
import { connectorError } from "./error-codes.js";
import type { NativeConsumer, NativeProducer } from "./native.js";

export interface ClientTimeouts {
  /** How long `connect` waits for the brokers' answer. */
  readonly connectMs: number;
  /** How long `close` waits for rebalance listeners, reports and native calls. */
  readonly closeMs: number;
  /**
   * How long it waits for a commit in flight, for the client to disconnect once nothing else is awaited, and for a client
   * that has ended to say why.
   */
  readonly graceMs: number;
}

export const CLIENT_TIMEOUTS: ClientTimeouts = { connectMs: 10_000, closeMs: 30_000, graceMs: 5_000 };

/** With another time to connect in. */
export const timeoutsOf = (connectMs: number = CLIENT_TIMEOUTS.connectMs): ClientTimeouts => ({
  ...CLIENT_TIMEOUTS,
  connectMs,
});

/** The brokers as the user gave them, for messages. */
export function brokersOf(properties: ClientProperties): string {
  return String(
    properties["bootstrap.servers"] ?? properties["metadata.broker.list"] ?? "(no `bootstrap.servers` given)",
  );
}

/** Added to librdkafka's own time-out, for its error says more about why it could not connect. */
const MARGIN_MS = 1000;

export interface ConnectListener {
  /** It has connected after its time. */
  readonly onLate: () => void;
  /** It has not connected at once, and goes on trying; called once. */
  readonly onTrouble?: (error: KafkaConnectorError) => void;
}

/** Connects and waits until a broker has answered; without `allTopics: false` it would describe every topic. */
export function connectClient(
  native: NativeConsumer | NativeProducer,
  kind: "consumer" | "producer",
  brokers: string,
  timeoutMs: number,
  { onLate, onTrouble }: ConnectListener,
): Promise<void> {
  const what = `The ${kind} could not connect to ${brokers} within ${timeoutMs} ms`;
  const next =
    "Check `bootstrap.servers`, the network, and that `security.protocol` and the credentials are those of the brokers.";
  const reason = reasonOf(native, (first) => {
    const message = `The ${kind} has not connected to ${brokers} yet, and tries for ${timeoutMs} ms: ${first}.`;
    onTrouble?.(new KafkaConnectorError("CONNECT_FAILED", message, { retriable: true }));
  });
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(
        new KafkaConnectorError("CONNECT_FAILED", `${what}: the client does not answer.${reason()} ${next}`, {
          retriable: true,
        }),
      );
    }, timeoutMs + MARGIN_MS);
    native.connect({ allTopics: false, timeout: timeoutMs }, (error) => {
      clearTimeout(timer);
      const said = reason();
      if (error !== null && error !== undefined) {
        reject(connectorError("CONNECT_FAILED", what, error, `${said} ${next}`.trimStart()));
      } else if (late) onLate();
      else resolve();
    });
  });
}

/** What a line of librdkafka's log says: it begins with the thread's name in brackets. */
export const loggedText = (message: string): string => message.replace(/^\[thrd:.*?\]: /, "");

/**
 * The last reason why a connection failed. While it connects that is in librdkafka's log alone: its errors do not
 * distinguish a certificate from a cable. Once asked, it stops listening. `onFirst` gets the first reason.
 */
function reasonOf(native: NativeConsumer | NativeProducer, onFirst: (reason: string) => void): () => string {
  let reason: string | undefined;
  let listens = true;
  native.on("event.log", ({ fac, message }) => {
    if (!listens || fac !== "FAIL") return;
    if (reason === undefined) onFirst(loggedText(message));
    reason = loggedText(message);
  });
  return () => {
    listens = false;
    return reason === undefined ? "" : ` The last failure was: ${reason}.`;
  };
}

/** Whether a client that was made for this connects; it is closed again. */
export async function connects(
  make: () => NativeConsumer | NativeProducer,
  kind: "consumer" | "producer",
  timeoutMs: number,
): Promise<boolean> {
  let close: () => void = () => undefined;
  try {
    const native = make();
    close = () => {
      if (kind === "consumer") (native as NativeConsumer).disconnect(() => undefined);
      else (native as NativeProducer).disconnect(0, () => undefined);
    };
    // Its errors are ignored; without a listener they would be thrown.
    native.on("event.error", () => undefined);
    await connectClient(native, kind, "the brokers", timeoutMs, { onLate: close });
  } catch {
    return false;
  }
  close();
  return true;
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
