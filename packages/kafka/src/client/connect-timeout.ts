import type { KafkaDriver } from "./port.js";

/** The driver, the clients of which wait for so long for the first answer of a broker. */
export const withConnectTimeout = (driver: KafkaDriver, timeoutMs: number): KafkaDriver => {
  const topicAdmin = driver.topicAdmin?.bind(driver);
  return {
    name: driver.name,
    commitsMetadata: driver.commitsMetadata,
    consumer: (properties, listener, tokens) => driver.consumer(properties, listener, tokens, timeoutMs),
    producer: (properties, listener, tokens) => driver.producer(properties, listener, tokens, timeoutMs),
    ...(topicAdmin && { topicAdmin }),
  };
};
