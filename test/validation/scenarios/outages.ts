import type { KafkaConnectorError } from "@millrace/kafka";
import { outcome } from "../outcome.js";
import type { Scenario } from "../scenario.js";

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/** Brokers that stop and come back. */
export const outages: readonly Scenario[] = [
  {
    name: "what is sent while no broker is reachable is stored once, in order, when it is back; a commit is, or may be repeated",
    alone: true,
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 2);
      const member = await lab.join("a");
      await member.reads(2);
      const sender = await lab.sender();
      const records = upTo(20).map(() => ({ ...lab.partition("t", 0), key: null, value: Buffer.from("v") }));
      await sender.send(records.slice(0, 1));
      let commit: Promise<string> = Promise.resolve("not sent");
      await lab.cluster.outage(async () => {
        await lab.until(() => member.errors.length > 0, "an error");
        sender.client.produceBatch(records, 1, 0);
        commit = member.client.commit([lab.position("t", 0, 2)]).then(
          () => "stored",
          (error: unknown) => ((error as KafkaConnectorError).retriable ? "may be repeated" : String(error)),
        );
        await lab.pass(1000);
      });
      await sender.client.flush(30_000);
      await member.reads(22);
      const first = await commit;
      await lab.pass(1000);
      const repeated = await outcome(member.client.commit([lab.position("t", 0, 2)]));
      return {
        reports: sender.reports.map(({ offset, code }) => `${code} ${offset}`),
        read: member.read,
        told: member.told,
        // Which of the two is a matter of moments.
        first: ["stored", "may be repeated"].includes(first) ? "either" : first,
        repeated,
        committed: await lab.committed("t"),
        byListener: member.errors.every((error) => error.startsWith("listener ")),
      };
    },
    expected: {
      reports: upTo(20).map((index) => `ok ${index + 2}`),
      read: { "t-0": upTo(22) },
      told: ["assign t-0"],
      first: "either",
      repeated: "ok",
      committed: [2],
      byListener: true,
    },
  },
];
