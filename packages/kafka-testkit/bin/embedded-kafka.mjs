#!/usr/bin/env node
// npx embedded-kafka: a Kafka in memory, until it is told to end.
import { EmbeddedKafka } from "@millrace/kafka-testkit";

const kafka = await EmbeddedKafka.start();
console.log(
  "An embedded Kafka listens until Ctrl-C; a topic appears when it is first used. In your other terminals:\n",
);
console.log(`export KAFKA_BROKERS=${kafka.brokers}`);

const alive = setInterval(() => undefined, 2 ** 31 - 1);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    clearInterval(alive);
    kafka.stop();
  });
}
