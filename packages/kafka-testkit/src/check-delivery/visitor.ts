import type { ConsumerClient } from "@millrace/kafka";
import type { Clock } from "@millrace/streams";
import type { SimulatedKafka } from "../simulated/simulated-kafka.js";
import { GROUP, INPUT, SESSION_TIMEOUT_MS } from "./world-of.js";

const quiet = (): void => undefined;

const stay = async (client: ConsumerClient, clock: Clock, ms: number): Promise<void> => {
  try {
    await client.connect();
    client.subscribe({ kind: "topics", topics: [INPUT] });
    const until = clock.now() + ms;
    while (clock.now() < until) await client.poll({ maxRecords: 1, waitMs: 20 });
  } catch {
    // An outage ends the visit.
  } finally {
    await client.close();
  }
};

/** Another member joins the group, does nothing, and leaves: partitions are given up, and come back. */
export const visit = (kafka: SimulatedKafka, clock: Clock, assignor: string, ms: number): Promise<void> => {
  const client = kafka.driver.consumer(
    {
      "client.id": "visitor",
      "group.id": GROUP,
      "session.timeout.ms": SESSION_TIMEOUT_MS,
      "partition.assignment.strategy": assignor,
    },
    { onAssign: quiet, onRevoke: quiet, onError: quiet },
  );
  return stay(client, clock, ms).catch(quiet);
};
