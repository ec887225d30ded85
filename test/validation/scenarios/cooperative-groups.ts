import type { Member } from "../member.js";
import type { Scenario } from "../scenario.js";

const COOPERATIVE = { "partition.assignment.strategy": "cooperative-sticky" };
const CALLS = /^(assign|revoke) (.*)$/;

/** How many partitions each call concerned: which ones is the assignor's affair. */
const sizes = (told: readonly string[]): readonly string[] =>
  told.map((call) => {
    const [, kind, labels = ""] = CALLS.exec(call) ?? [];
    return `${kind} ${labels === "nothing" ? 0 : labels.split(" ").length}`;
  });

/** Calls with partitions in them. */
const busy = (told: readonly string[]): readonly string[] => sizes(told).filter((call) => !call.endsWith(" 0"));

/** Groups whose members keep what stays theirs. */
export const cooperativeGroups: readonly Scenario[] = [
  {
    name: "cooperative: the first member gives up only what the second gets",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0 t-1 t-2 t-3");
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      const all = [...a.owned, ...b.owned].sort().join(" ");
      return { a: busy(a.told), b: busy(b.told), all };
    },
    expected: { a: ["assign 4", "revoke 2"], b: ["assign 2"], all: "t-0 t-1 t-2 t-3" },
  },
  {
    name: "cooperative: the listener hears of empty assignments too",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0 t-1 t-2 t-3");
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      await lab.pass(1000);
      return { a: sizes(a.told), b: sizes(b.told) };
    },
    expected: { a: ["assign 4", "revoke 2", "assign 0", "assign 0"], b: ["assign 0", "assign 2"] },
  },
  {
    name: "cooperative: a partition is assigned only after its owner has given it up",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0 t-1");
      const order: string[] = [];
      a.onRevoke = async (partitions) => {
        if (partitions.length === 0) return;
        await lab.pass(400);
        order.push("given up");
      };
      const b = await lab.member("b", COOPERATIVE);
      b.onAssign = (partitions) => {
        if (partitions.length > 0) order.push("taken");
      };
      b.start(lab.topics("t"));
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      return order;
    },
    expected: ["given up", "taken"],
  },
  {
    name: "cooperative: what stays is read on, without a gap or a repetition",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 3);
      await lab.fill("t", 1, 3);
      const a = await lab.join("a", COOPERATIVE);
      await a.reads(6);
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      const [kept = ""] = a.owned;
      await lab.fill("t", Number(kept.slice(2)), 3);
      await lab.until(() => (a.read[kept]?.length ?? 0) >= 6, "the later records");
      const [moved = ""] = b.owned;
      await b.reads(3);
      return { kept: a.read[kept], moved: b.read[moved] };
    },
    expected: { kept: [0, 1, 2, 3, 4, 5], moved: [0, 1, 2] },
  },
  {
    name: "cooperative: while the revoke handler runs nothing is read, of what stays neither",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0 t-1");
      let release = (): void => undefined;
      a.onRevoke = (partitions) =>
        partitions.length === 0 ? undefined : new Promise((resolve) => (release = resolve));
      const before = a.told.length;
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.told.slice(before).some((call) => /revoke t/.test(call)), "a revocation");
      await lab.fill("t", 0, 2);
      await lab.fill("t", 1, 2);
      const polls = a.polls;
      await lab.until(() => a.polls > polls + 30, "polls going on");
      const meanwhile = a.count;
      a.onRevoke = () => undefined;
      release();
      await Promise.all([a.reads(2), b.reads(2)]);
      return { meanwhile, a: a.count, b: b.count };
    },
    expected: { meanwhile: 0, a: 2, b: 2 },
  },
  {
    name: "cooperative: the partitions of a member that closes are added to the other's",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const a = await lab.join("a", COOPERATIVE);
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      const [toldA, toldB] = [a.told.length, b.told.length];
      await b.close();
      await a.owns("t-0 t-1 t-2 t-3");
      return { a: busy(a.told.slice(toldA)), b: busy(b.told.slice(toldB)) };
    },
    expected: { a: ["assign 2"], b: ["revoke 2"] },
  },
  {
    name: "cooperative: a member with nothing that closes hears nothing more",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0");
      const b = await lab.join("b", COOPERATIVE);
      await b.hears(1);
      await lab.pass(500);
      await b.close();
      return b.told;
    },
    expected: ["assign nothing"],
  },
  {
    name: "cooperative: three members have seven partitions, two or three each",
    run: async (lab) => {
      await lab.createTopic("t", 7);
      const members: Member[] = [];
      for (const name of ["a", "b", "c"]) members.push(await lab.join(name, COOPERATIVE));
      const counts = (): string =>
        members
          .map(({ owned }) => owned.size)
          .sort()
          .join();
      await lab.until(() => counts() === "2,2,3", "a fair share each");
      return new Set(members.flatMap(({ owned }) => [...owned])).size;
    },
    expected: 7,
  },
  {
    name: "cooperative: a partition that is paused and stays is still paused after the rebalance",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", COOPERATIVE);
      await a.owns("t-0 t-1");
      a.client.pause([lab.partition("t", 0), lab.partition("t", 1)]);
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      const [kept = ""] = a.owned;
      await lab.fill("t", 0, 1);
      await lab.fill("t", 1, 1);
      await b.reads(1);
      await lab.pass(1000);
      const paused = a.count;
      a.client.resume([lab.partition("t", Number(kept.slice(2)))]);
      await a.reads(1);
      return { paused, read: a.read[kept] };
    },
    expected: { paused: 0, read: [0] },
  },
  {
    name: "cooperative: closing waits for the assign handler, and revokes all",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", COOPERATIVE);
      const b = await lab.join("b", COOPERATIVE);
      await lab.until(() => a.owned.size === 1 && b.owned.size === 1, "one each");
      const told = a.told.length;
      const order: string[] = [];
      a.onAssign = async (partitions) => {
        if (partitions.length === 0) return;
        await lab.pass(2000);
        order.push("handler ended");
      };
      a.onRevoke = () => void order.push("revoked");
      await b.close();
      await lab.until(() => busy(a.told.slice(told)).length > 0, "an assignment");
      await a.close();
      order.push("closed");
      await lab.pass(3000);
      return { told: busy(a.told.slice(told)), order, errors: a.errors };
    },
    expected: { told: ["assign 1", "revoke 2"], order: ["handler ended", "revoked", "closed"], errors: [] },
  },
];
