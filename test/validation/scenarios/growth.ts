import type { Scenario } from "../scenario.js";
import { thrown } from "../outcome.js";

const OFTEN = { "topic.metadata.refresh.interval.ms": 300 };

/** Topics that get more partitions. */
export const growth: readonly Scenario[] = [
  {
    name: "the partitions a topic has got more are assigned after the metadata is refreshed, and read from the beginning",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 2);
      const member = await lab.join("a", OFTEN);
      await member.reads(2);
      await member.client.commit([lab.position("t", 0, 2)]);
      await lab.grow("t", 3);
      await lab.fill("t", 2, 2);
      await member.reads(4);
      return { told: member.told, read: member.read, errors: member.errors };
    },
    expected: {
      told: ["assign t-0", "revoke t-0", "assign t-0 t-1 t-2"],
      read: { "t-0": [0, 1], "t-2": [0, 1] },
      errors: [],
    },
  },
  {
    name: "with auto.offset.reset=latest records that came before the new partition was assigned are missed",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a", { ...OFTEN, "auto.offset.reset": "latest" });
      await member.owns("t-0");
      await lab.grow("t", 2);
      await lab.fill("t", 1, 2);
      await member.owns("t-0 t-1");
      while (member.count < 1) await lab.fill("t", 1, 1);
      return (member.read["t-1"]?.[0] ?? 0) >= 2;
    },
    expected: true,
  },
  {
    name: "cooperative: the new partitions are added, and nothing is given up",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const member = await lab.join("a", { ...OFTEN, "partition.assignment.strategy": "cooperative-sticky" });
      await member.owns("t-0 t-1");
      await lab.grow("t", 4);
      await member.owns("t-0 t-1 t-2 t-3");
      return member.told;
    },
    expected: ["assign t-0 t-1", "assign t-2 t-3"],
  },
  {
    name: "a producer sends to a new partition once it has refreshed the metadata, and not before",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const eager = await lab.sender(OFTEN);
      const late = await lab.sender();
      const at = (partition: number) => ({ ...lab.partition("t", partition), key: null, value: null });
      await eager.send([at(0)]);
      await late.send([at(0)]);
      await lab.grow("t", 2);
      await lab.until(() => thrown(() => eager.client.produceBatch([at(1)], 0, 1)) === "ok", "a new partition");
      await eager.client.flush(10_000);
      return {
        eager: eager.reports.map(({ partition, code }) => ({ partition, code })),
        late: thrown(() => late.client.produceBatch([at(1)], 0, 1)),
      };
    },
    expected: {
      eager: [
        { partition: 0, code: "ok" },
        { partition: 1, code: "ok" },
      ],
      late: -190,
    },
  },
];
