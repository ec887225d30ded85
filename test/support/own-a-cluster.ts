/** Starts a cluster, tells its parent where it is, and waits to be killed. */
import { EmbeddedKafka, LocalKafka } from "@millrace/kafka-testkit";

if (process.argv[2] === "embedded") {
  const kafka = await EmbeddedKafka.start({ process: "child" });
  process.send?.({ brokers: kafka.brokers, pids: [] });
} else {
  const kafka = await LocalKafka.start({ kinds: ["jvm"] });
  process.send?.({ brokers: kafka.brokers, pids: [kafka.broker(1).pid] });
}
// The channel would do, but only while the parent lives.
setInterval(() => undefined, 60_000);
