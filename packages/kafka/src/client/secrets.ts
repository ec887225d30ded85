import type { ClientProperties, KafkaDriver, TokenProvider } from "./port.js";

/** Properties of librdkafka whose value gives access; newer ones are likely to be named alike. */
const SECRET = /password|passphrase|secret|jaas|key\.pem$|^ssl_key$|^sasl\.oauthbearer\.config$/i;

export const REDACTED = "[redacted]";

/** The properties as they may be shown and kept. */
export const redact = (properties: ClientProperties): ClientProperties =>
  Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, SECRET.test(key) ? REDACTED : value]));

/**
 * The driver, which puts back what `redact` took out. It alone holds the secrets, in a closure: whatever else is printed,
 * inspected or made JSON has none.
 */
export const withSecrets = (
  driver: KafkaDriver,
  properties: ClientProperties,
  tokens: TokenProvider | undefined,
): KafkaDriver => {
  const secrets = Object.entries(properties).filter(([key]) => SECRET.test(key));
  if (secrets.length === 0 && tokens === undefined) return driver;
  const whole = (redacted: ClientProperties): ClientProperties => ({ ...redacted, ...Object.fromEntries(secrets) });
  const topicAdmin = driver.topicAdmin?.bind(driver);
  return {
    name: driver.name,
    commitsMetadata: driver.commitsMetadata,
    consumer: (redacted, listener) => driver.consumer(whole(redacted), listener, tokens),
    producer: (redacted, listener) => driver.producer(whole(redacted), listener, tokens),
    ...(topicAdmin && { topicAdmin: (redacted: ClientProperties) => topicAdmin(whole(redacted), tokens) }),
  };
};
