import type { KafkaConnectorError } from "../../errors/errors.js";
import { freshToken } from "../checked-token.js";
import type { ClientProperties, TokenProvider } from "../port.js";

/** As Confluent's package wants it: `lifetime` is a date, in milliseconds since 1970. */
interface GivenToken {
  readonly tokenValue: string;
  readonly lifetime: number;
  readonly principal: string | undefined;
  readonly extensions: Readonly<Record<string, string>> | undefined;
}

/**
 * The properties with the callback that librdkafka calls before it connects, when four fifths of a lifetime have passed, and
 * ten seconds after a failure.
 */
export const askingFor = (
  tokens: TokenProvider,
  properties: ClientProperties,
  onError: (error: KafkaConnectorError) => void,
): ClientProperties => {
  const refresh = async (): Promise<GivenToken> => {
    try {
      const { token, lifetimeMs, principal, extensions } = await freshToken(tokens);
      return { tokenValue: token, lifetime: Date.now() + lifetimeMs, principal, extensions };
    } catch (error) {
      onError(error as KafkaConnectorError);
      throw error;
    }
  };
  // The one property that is a function; the factories hand over whatever they are given.
  return { ...properties, oauthbearer_token_refresh_cb: refresh as never };
};

/** The package emits a failed refresh as `error` too, which ends the process where there is no listener. */
export const listeningToErrors = <C extends { on(event: never, listener: () => void): unknown }>(client: C): C => {
  client.on("error" as never, () => undefined);
  return client;
};
