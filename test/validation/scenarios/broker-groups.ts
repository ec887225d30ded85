import { outcome } from "../outcome.js";
import type { Scenario } from "../scenario.js";

const MODERN = { "group.protocol": "consumer" };
const CALLS = /^(assign|revoke|lost) (.*)$/;

/** How many partitions each call concerned: which ones is the broker's affair. */
const sizes = (told: readonly string[]): readonly string[] =>
  told.map((call) => {
    const [, kind, labels = ""] = CALLS.exec(call) ?? [];
    return `${kind} ${labels === "nothing" ? 0 : labels.split(" ").length}`;
  });

/** Groups of the newer protocol (KIP-848), where the broker assigns. */
export const brokerGroups: readonly Scenario[] = [
  {
    name: "KIP-848: one member gets all, commits, and gives all up when it closes",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 2);
      const member = await lab.join("a", MODERN);
      await member.reads(2);
      const code = await outcome(member.client.commit([lab.position("t", 0, 1)]));
      await member.close();
      return { told: member.told, code, committed: await lab.committed("t", 2), errors: member.errors };
    },
    expected: { told: ["assign t-0 t-1", "revoke t-0 t-1"], code: "ok", committed: [1, "none"], errors: [] },
  },
  {
    name: "KIP-848: the first member gives up only what the second gets",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", MODERN);
      await a.owns("t-0 t-1 t-2 t-3");
      const b = await lab.join("b", MODERN);
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      await lab.pass(6000);
      return { a: sizes(a.told), b: sizes(b.told) };
    },
    expected: { a: ["assign 4", "revoke 2", "assign 0"], b: ["assign 2"] },
  },
  {
    name: "KIP-848: the partitions of a member that closes are added to the other's",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", MODERN);
      const b = await lab.join("b", MODERN);
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      const [toldA, toldB] = [a.told.length, b.told.length];
      await b.close();
      await a.owns("t-0 t-1 t-2 t-3");
      return { a: sizes(a.told.slice(toldA)), b: sizes(b.told.slice(toldB)) };
    },
    expected: { a: ["assign 2"], b: ["revoke 2"] },
  },
  {
    name: "KIP-848: a partition is assigned only after its owner's revoke handler has ended, and nothing is read meanwhile",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", MODERN);
      await a.owns("t-0 t-1");
      const order: string[] = [];
      let read = -1;
      a.onRevoke = async () => {
        const before = a.count;
        await lab.fill("t", 0, 1);
        await lab.fill("t", 1, 1);
        await lab.pass(1000);
        read = a.count - before;
        order.push("given up");
      };
      const b = await lab.member("b", MODERN);
      b.onAssign = (partitions) => {
        if (partitions.length > 0) order.push("taken");
      };
      b.start(lab.topics("t"));
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      a.onRevoke = () => undefined;
      return { order, read };
    },
    expected: { order: ["given up", "taken"], read: 0 },
  },
  {
    name: "KIP-848: a member too many hears nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.join("a", MODERN);
      await a.owns("t-0");
      const b = await lab.join("b", MODERN);
      await lab.pass(7000);
      return { a: a.told, b: b.told };
    },
    expected: { a: ["assign t-0"], b: [] },
  },
  {
    name: "KIP-848: a consumer that assigns itself is refused by a group with members",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a", MODERN);
      await member.owns("t-0");
      const manual = await lab.member("b");
      manual.start(lab.assignment("t", "beginning"));
      return outcome(manual.client.commit([lab.position("t", 0, 2)]));
    },
    expected: 25,
  },
  {
    name: "KIP-848: a static member that comes back gets what it had, and nobody else hears of it",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", { ...MODERN, "group.instance.id": "one" });
      const b = await lab.join("b", { ...MODERN, "group.instance.id": "two" });
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      const had = [...b.owned].sort().join(" ");
      const told = a.told.length;
      await b.close();
      const again = await lab.join("c", { ...MODERN, "group.instance.id": "two" });
      await again.owns(had);
      await lab.pass(6000);
      return { again: sizes(again.told), a: sizes(a.told.slice(told)), b: sizes(b.told).at(-1) };
    },
    expected: { again: ["assign 2"], a: [], b: "revoke 2" },
  },
  {
    name: "KIP-848: of two members with one instance id the younger is refused",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", { ...MODERN, "group.instance.id": "one" });
      await a.owns("t-0 t-1");
      const b = await lab.join("b", { ...MODERN, "group.instance.id": "one" });
      await b.fails();
      await lab.pass(1000);
      return { a: a.errors, toldA: a.told, b: [...new Set(b.errors)], toldB: b.told };
    },
    expected: { a: [], toldA: ["assign t-0 t-1"], b: ["poll 111"], toldB: [] },
  },
  {
    name: "KIP-848: a static member whose process died keeps its place, and who comes in its stead is refused meanwhile",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const process = await lab.spawn("b", { ...MODERN, "group.instance.id": "one" });
      await lab.until(() => process.held.length === 1, "the partition");
      process.kill();
      const again = await lab.join("c", { ...MODERN, "group.instance.id": "one" });
      await again.fails();
      return { errors: [...new Set(again.errors)], told: again.told };
    },
    expected: { errors: ["poll 111"], told: [] },
  },
  {
    name: "KIP-848: a consumer that polls too late loses its partitions, is notified, and joins again",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", { ...MODERN, "max.poll.interval.ms": 2000 });
      await a.owns("t-0 t-1");
      const b = await lab.join("b", MODERN);
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      const told = a.told.length;
      await a.stall();
      await b.owns("t-0 t-1");
      a.poll();
      await a.fails();
      await a.hears(told + 2);
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      return { errors: a.errors, told: sizes(a.told.slice(told)) };
    },
    expected: { errors: ["poll -147"], told: ["lost 1", "assign 1"] },
  },
  {
    name: "KIP-848: a topic that is missing is no error, and is read once it is there",
    run: async (lab) => {
      const member = await lab.join("a", { ...MODERN, "topic.metadata.refresh.interval.ms": 300 });
      await lab.pass(2000);
      const early = { told: [...member.told], errors: [...member.errors] };
      await lab.createTopic("t", 1);
      await member.owns("t-0");
      return { early, told: member.told, errors: member.errors };
    },
    expected: { early: { told: [], errors: [] }, told: ["assign t-0"], errors: [] },
  },
  {
    name: "KIP-848: a pattern reads the topics of whose name it matches a part, and a later one too",
    run: async (lab) => {
      await lab.createTopic("in-a", 1);
      await lab.createTopic("out-a", 1);
      const member = await lab.member("a", { ...MODERN, "topic.metadata.refresh.interval.ms": 300 });
      member.start({ kind: "pattern", pattern: new RegExp(`^${lab.prefix}in-`) });
      await member.owns("in-a-0");
      await lab.createTopic("in-b", 2);
      await member.owns("in-a-0 in-b-0 in-b-1");
      return { told: sizes(member.told), errors: member.errors };
    },
    expected: { told: ["assign 1", "assign 2"], errors: [] },
  },
  {
    name: "KIP-848: new partitions are added, and nothing is given up",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a", { ...MODERN, "topic.metadata.refresh.interval.ms": 300 });
      await member.owns("t-0");
      await lab.grow("t", 2);
      await member.owns("t-0 t-1");
      return sizes(member.told);
    },
    expected: ["assign 1", "assign 1"],
  },
];
