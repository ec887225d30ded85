import type { ClientProperties, KafkaDriver, TokenProvider } from "./port.js";

/** Properties of librdkafka whose value gives access; newer ones are likely to be named alike. */
const SECRET = /password|passphrase|secret|jaas|key\.pem$|^ssl_key$|kinit\.cmd$|^sasl\.oauthbearer\.config$/i;

/** Credentials inside an address, as of a token's endpoint. */
const CREDENTIALS = /:\/\/[^/?#]*@/;

const isSecret = ([key, value]: readonly [string, string | number | boolean]): boolean =>
  SECRET.test(key) || CREDENTIALS.test(String(value));

export const REDACTED = "[redacted]";

/** The properties as they may be shown and kept. */
export const redact = (properties: ClientProperties): ClientProperties =>
  Object.fromEntries(Object.entries(properties).map((each) => [each[0], isSecret(each) ? REDACTED : each[1]]));

/**
 * The driver, which puts back what `redact` took out. It alone holds the secrets, in a closure: whatever else is printed,
 * inspected or made JSON has none. Its clients wait for `connectMs` for the first answer of a broker.
 */
export const withSecrets = (
  driver: KafkaDriver,
  properties: ClientProperties,
  tokens: TokenProvider | undefined,
  connectMs: number,
): KafkaDriver => {
  const secrets = Object.entries(properties).filter(isSecret);
  const whole = (redacted: ClientProperties): ClientProperties => ({ ...redacted, ...Object.fromEntries(secrets) });
  const topicAdmin = driver.topicAdmin?.bind(driver);
  return {
    name: driver.name,
    commitsMetadata: driver.commitsMetadata,
    sendsBytesInHeaders: driver.sendsBytesInHeaders,
    consumer: (redacted, listener) => driver.consumer(whole(redacted), listener, tokens, connectMs),
    producer: (redacted, listener) => driver.producer(whole(redacted), listener, tokens, connectMs),
    ...(topicAdmin && { topicAdmin: (redacted: ClientProperties) => topicAdmin(whole(redacted), tokens) }),
  };
};
