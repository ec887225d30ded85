import type { Clock } from "@millrace/streams";
import type { SimulatedKafka } from "../simulated/simulated-kafka.js";
import { GROUP, INPUT, SESSION_TIMEOUT_MS } from "./world-of.js";

const quiet = (): void => undefined;
const CALL_MS = 10_000;
/** How long it waits for an assignment, for it may be given nothing. */
const MEMBER_MS = 5000;

/**
 * A member of the group sends a position within a transaction and dies: no one can read the group's committed position
 * of that partition until the broker aborts the transaction.
 */
export const hold = async (kafka: SimulatedKafka, clock: Clock, assignor: string, openMs: number): Promise<void> => {
  const name = "holder";
  const member = kafka.driver.consumer(
    {
      "client.id": name,
      "group.id": GROUP,
      "session.timeout.ms": SESSION_TIMEOUT_MS,
      "partition.assignment.strategy": assignor,
    },
    { onAssign: (given) => void owned.push(...given), onRevoke: quiet, onError: quiet },
  );
  const owned: { readonly topic: string; readonly partition: number }[] = [];
  const producer = kafka.driver.producer(
    { "client.id": name, "transactional.id": name, "transaction.timeout.ms": openMs },
    { onReports: quiet, onError: quiet },
  );
  try {
    await Promise.all([member.connect(), producer.connect()]);
    await producer.transactions?.init(CALL_MS);
    member.subscribe({ kind: "topics", topics: [INPUT] });
    const until = clock.now() + MEMBER_MS;
    while (owned.length === 0 && clock.now() < until) await member.poll({ maxRecords: 1, waitMs: 20 });
    await producer.transactions?.begin();
    await producer.transactions?.sendOffsets(
      owned.map((each) => ({ ...each, offset: 0 })),
      member,
      CALL_MS,
    );
  } catch {
    // An outage: nothing is held then.
  } finally {
    kafka.kill(name);
  }
};
