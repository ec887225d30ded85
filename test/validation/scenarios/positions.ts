import type { Scenario } from "../scenario.js";
import { outcome } from "../outcome.js";

/** Where a consumer begins to read. */
export const positions: readonly Scenario[] = [
  {
    name: "without a committed position and with auto.offset.reset=earliest all records are read",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 3);
      await lab.fill("t", 1, 2);
      const member = await lab.join("a");
      await member.reads(5);
      return { told: member.told, read: member.read, errors: member.errors };
    },
    expected: { told: ["assign t-0 t-1"], read: { "t-0": [0, 1, 2], "t-1": [0, 1] }, errors: [] },
  },
  {
    name: "with auto.offset.reset=latest only later records are read, without a gap",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const member = await lab.join("a", { "auto.offset.reset": "latest" });
      await member.owns("t-0");
      while (member.count < 3) await lab.fill("t", 0, 1);
      const read = member.read["t-0"] ?? [];
      const first = read[0] ?? -1;
      return { old: read.some((offset) => offset < 3), gaps: read.some((offset, index) => offset !== first + index) };
    },
    expected: { old: false, gaps: false },
  },
  {
    name: "with auto.offset.reset=error and no committed position a poll fails",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const member = await lab.join("a", { "auto.offset.reset": "error" });
      await member.fails();
      await lab.pass(500);
      return { told: member.told, errors: member.errors, read: member.read };
    },
    expected: { told: ["assign t-0"], errors: ["poll -140"], read: {} },
  },
  {
    name: "a committed position is where the next consumer of the group begins",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 5);
      await lab.fill("t", 1, 2);
      const first = await lab.join("a");
      await first.reads(7);
      const code = await outcome(first.client.commit([lab.position("t", 0, 3)]));
      await first.close();
      const second = await lab.join("b");
      await second.reads(4);
      return { code, read: second.read };
    },
    expected: { code: "ok", read: { "t-0": [3, 4], "t-1": [0, 1] } },
  },
  {
    name: "a committed position beyond the end is out of range, and auto.offset.reset applies",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 2);
      const first = await lab.join("a");
      await first.owns("t-0");
      const code = await outcome(first.client.commit([lab.position("t", 0, 1000)]));
      await first.close();
      const second = await lab.join("b");
      await second.reads(2);
      return { code, read: second.read, errors: second.errors };
    },
    expected: { code: "ok", read: { "t-0": [0, 1] }, errors: [] },
  },
  {
    name: "an assignment by hand begins at the beginning, at a number, and at the committed position",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      for (const partition of [0, 1, 2]) await lab.fill("t", partition, 4);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "beginning", "beginning", "beginning"));
      await member.reads(12);
      await member.client.commit([lab.position("t", 2, 3)]);
      await member.close();
      const second = await lab.member("b");
      second.start(lab.assignment("t", "beginning", 2, undefined));
      await second.reads(7);
      return { read: second.read, told: second.told };
    },
    expected: { read: { "t-0": [0, 1, 2, 3], "t-1": [2, 3], "t-2": [3] }, told: [] },
  },
  {
    name: "an assignment by hand at the end reads only later records",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "end"));
      while (member.count < 2) await lab.fill("t", 0, 1);
      const first = member.read["t-0"]?.[0] ?? -1;
      return { old: first < 3, second: (member.read["t-0"]?.[1] ?? -1) - first };
    },
    expected: { old: false, second: 1 },
  },
  {
    name: "an assignment by hand beyond the end falls back to auto.offset.reset",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const member = await lab.member("a");
      member.start(lab.assignment("t", 100));
      await member.reads(3);
      return { read: member.read, errors: member.errors };
    },
    expected: { read: { "t-0": [0, 1, 2] }, errors: [] },
  },
  {
    name: "an assignment by hand beyond the end fails a poll with auto.offset.reset=error",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const member = await lab.member("a", { "auto.offset.reset": "error" });
      member.start(lab.assignment("t", 100));
      await member.fails();
      return { read: member.read, errors: member.errors };
    },
    expected: { read: {}, errors: ["poll -140"] },
  },
  {
    name: "an assignment by hand replaces the one before it",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 2);
      await lab.fill("t", 1, 2);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "beginning"));
      await member.reads(2);
      member.client.subscribe({ kind: "assignment", partitions: [{ ...lab.partition("t", 1), offset: 1 }] });
      await member.reads(3);
      await lab.fill("t", 0, 1);
      await lab.fill("t", 1, 1);
      await member.reads(4);
      return member.read;
    },
    expected: { "t-0": [0, 1], "t-1": [1, 2] },
  },
  {
    name: "a topic that is missing is an error, and is read once it is there",
    run: async (lab) => {
      const member = await lab.join("a", { "topic.metadata.refresh.interval.ms": 300 });
      await member.fails();
      const [error] = member.errors;
      await lab.createTopic("t", 1);
      await member.owns("t-0");
      await lab.fill("t", 0, 1);
      await member.reads(1);
      return { error, read: member.read };
    },
    expected: { error: "poll 3", read: { "t-0": [0] } },
  },
  {
    name: "a pattern reads the topics that match, and a later one too",
    run: async (lab) => {
      await lab.createTopic("in-a", 1);
      await lab.createTopic("out-a", 1);
      await lab.fill("in-a", 0, 1);
      await lab.fill("out-a", 0, 1);
      const member = await lab.member("a", { "topic.metadata.refresh.interval.ms": 300 });
      member.start({ kind: "pattern", pattern: new RegExp(`^${lab.prefix}in-.*`) });
      await member.reads(1);
      await lab.createTopic("in-b", 2);
      await member.owns("in-a-0 in-b-0 in-b-1");
      await lab.fill("in-b", 1, 1);
      await member.reads(3);
      return { told: member.told, read: member.read, errors: member.errors };
    },
    expected: {
      told: ["assign in-a-0", "revoke in-a-0", "assign in-a-0 in-b-0 in-b-1"],
      read: { "in-a-0": [0, 0], "in-b-1": [0] },
      errors: [],
    },
  },
  {
    name: "a member that reads only a missing topic joins once the topic is there",
    run: async (lab) => {
      const member = await lab.join("a", { "topic.metadata.refresh.interval.ms": 300 });
      await member.fails();
      await lab.pass(1000);
      const early = [...member.told];
      await lab.createTopic("t", 1);
      await member.owns("t-0");
      return { early, told: member.told, errors: member.errors };
    },
    expected: { early: [], told: ["assign t-0"], errors: ["poll 3"] },
  },
  {
    name: "of two topics the missing one is an error, and the other is read",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const member = await lab.join("a", {}, "t", "nowhere");
      await Promise.all([member.fails(), member.reads(1)]);
      await lab.pass(500);
      return { told: member.told, errors: member.errors };
    },
    expected: { told: ["assign t-0"], errors: ["poll 3"] },
  },
  {
    name: "a pattern that matches nothing is an error, and its member joins once something matches",
    run: async (lab) => {
      const member = await lab.member("a", { "topic.metadata.refresh.interval.ms": 300 });
      member.start({ kind: "pattern", pattern: new RegExp(`^${lab.prefix}in-.*`) });
      await lab.pass(1500);
      const early = { told: [...member.told], errors: [...member.errors] };
      await lab.createTopic("in-a", 1);
      await member.owns("in-a-0");
      return { early, told: member.told, errors: member.errors };
    },
    expected: { early: { told: [], errors: ["poll 3"] }, told: ["assign in-a-0"], errors: ["poll 3"] },
  },
  {
    name: "an assignment by hand to a partition that does not exist reads nothing of it, and is no error",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "beginning", "beginning"));
      await member.reads(1);
      await lab.pass(1000);
      return { read: member.read, errors: member.errors };
    },
    expected: { read: { "t-0": [0] }, errors: [] },
  },
  {
    name: "a group that has committed the end reads only what comes later",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const first = await lab.join("a");
      await first.reads(3);
      await first.client.commit([lab.position("t", 0, 3)]);
      await first.close();
      const second = await lab.join("b");
      await second.owns("t-0");
      await lab.fill("t", 0, 1);
      await second.reads(1);
      return second.read;
    },
    expected: { "t-0": [3] },
  },
];
