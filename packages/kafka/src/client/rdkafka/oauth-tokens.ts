import { KafkaConnectorError } from "../../errors/errors.js";
import { freshToken } from "../checked-token.js";
import type { TokenProvider } from "../port.js";

/** A client of node-rdkafka: a token set before `connect` is that of the first connections, and a later one replaces it. */
interface TakesTokens {
  /** Of the token it knows only the text: it takes each for one that never expires, and asks for no other. */
  setOauthBearerToken(token: string): unknown;
  connect(options: never, done: (error: unknown, result: never) => void): unknown;
  disconnect(...values: never[]): unknown;
}

/** The limit of `setTimeout`, about 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** After a failure: often enough while a fifth of the lifetime is left. */
const retryMs = (lifetimeMs: number): number => Math.min(10_000, Math.ceil(lifetimeMs / 50));

/**
 * The client, which gets a token before it connects and then another one each time four fifths of a lifetime have
 * passed, until it disconnects. While renewing fails the old token stays, and each failure is reported.
 */
export const withTokens = <C extends object>(
  client: C,
  tokens: TokenProvider,
  onError: (error: KafkaConnectorError) => void,
): C => {
  // The binding's types for its own calls leave this one out.
  const native = client as C & TakesTokens;
  const connect = native.connect.bind(native);
  const disconnect = native.disconnect.bind(native);
  let timer: NodeJS.Timeout | undefined;
  let over = false;

  const next = async (): Promise<number> => {
    const { token, lifetimeMs, extensions } = await freshToken(tokens);
    if (extensions !== undefined && Object.keys(extensions).length > 0) {
      throw new KafkaConnectorError(
        "INVALID_SETTINGS",
        "node-rdkafka does not send the extensions of an OAuth token. Leave them out, or choose confluentDriver.",
      );
    }
    if (!over) native.setOauthBearerToken(token);
    return lifetimeMs;
  };
  const renewAfter = (ms: number, lifetimeMs: number): void => {
    if (over) return;
    timer = setTimeout(() => void renew(lifetimeMs), Math.min(ms, LONGEST_TIMER_MS)).unref();
  };
  const renew = async (lifetimeMs: number): Promise<void> => {
    try {
      const nextMs = await next();
      renewAfter(nextMs * 0.8, nextMs);
    } catch (error) {
      renewAfter(retryMs(lifetimeMs), lifetimeMs);
      if (!over) onError(error as KafkaConnectorError);
    }
  };

  native.connect = (options, done) => {
    next().then(
      (lifetimeMs) =>
        connect(options, (error, result) => {
          // A client that could not connect is not used again.
          if (error === null || error === undefined) renewAfter(lifetimeMs * 0.8, lifetimeMs);
          done(error, result);
        }),
      (error: unknown) => done(error, undefined as never),
    );
  };
  native.disconnect = (...values) => {
    over = true;
    clearTimeout(timer);
    return disconnect(...values);
  };
  return native;
};
