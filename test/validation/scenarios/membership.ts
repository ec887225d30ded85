import type { Scenario } from "../scenario.js";
import { outcome } from "../outcome.js";

const SHORT = { "session.timeout.ms": 3000 };

/** Static members, members that die, and members that do not poll. */
export const membership: readonly Scenario[] = [
  {
    name: "a static member that comes back within its session gets what it had, and nobody else hears of it",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const session = { "session.timeout.ms": 20_000 };
      const a = await lab.join("a", { ...session, "group.instance.id": "one" });
      const b = await lab.join("b", { ...session, "group.instance.id": "two" });
      await lab.until(() => a.owned.size === 2 && b.owned.size === 2, "two each");
      const had = [...b.owned].sort().join(" ");
      const told = a.told.length;
      await b.close();
      const again = await lab.join("c", { ...session, "group.instance.id": "two" });
      await again.owns(had);
      await lab.pass(1000);
      return { had, again: again.told, a: a.told.slice(told), b: b.told.at(-1) };
    },
    expected: { had: "t-2 t-3", again: ["assign t-2 t-3"], a: [], b: "revoke t-2 t-3" },
  },
  {
    name: "the partitions of a static member that stays away go to the other after its session",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", { ...SHORT, "group.instance.id": "one" });
      const b = await lab.join("b", { ...SHORT, "group.instance.id": "two" });
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      const told = a.told.length;
      await b.close();
      const closed = lab.cluster.now();
      await a.owns("t-0 t-1");
      return { a: a.told.slice(told), waited: lab.cluster.now() - closed > 1500 };
    },
    expected: { a: ["revoke t-0", "assign t-0 t-1"], waited: true },
  },
  {
    name: "of two members with one instance id the older is fenced",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", { "group.instance.id": "one" });
      await a.owns("t-0 t-1");
      const b = await lab.join("b", { "group.instance.id": "one" });
      await b.owns("t-0 t-1");
      await a.fails();
      await lab.pass(500);
      return { a: a.errors, toldA: a.told, b: b.errors, told: b.told };
    },
    expected: { a: ["poll 82"], toldA: ["assign t-0 t-1"], b: [], told: ["assign t-0 t-1"] },
  },
  {
    name: "the partitions of a process that dies go to the other, no sooner than its session ends",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      const process = await lab.spawn("b", SHORT);
      await lab.until(() => process.held.length === 1 && a.owned.size === 1, "one each");
      const told = a.told.length;
      process.kill();
      const killed = lab.cluster.now();
      await a.owns("t-0 t-1");
      return { a: a.told.slice(told), waited: lab.cluster.now() - killed > 1500 };
    },
    expected: { a: ["revoke t-0", "assign t-0 t-1"], waited: true },
  },
  {
    name: "a consumer that polls too late loses its partitions, is notified, and joins again",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const slow = { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 };
      const a = await lab.join("a", slow);
      await a.owns("t-0 t-1");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      const told = a.told.length;
      await a.stall();
      await b.owns("t-0 t-1");
      a.poll();
      await a.fails();
      // The error may come before it hears of the loss, while it seems to own what it had.
      await a.hears(told + 2);
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      return { errors: a.errors, told: a.told.slice(told) };
    },
    expected: { errors: ["poll -147"], told: ["lost t-0", "assign t-0"] },
  },
  {
    name: "a member whose revoke handler outlasts max.poll.interval.ms loses its place, and may not commit",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const b = await lab.join("b", { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 });
      await b.owns("t-0");
      let code: number | string = "none";
      let release = (): void => undefined;
      b.onRevoke = async () => {
        await new Promise<void>((resolve) => (release = resolve));
        code = await outcome(b.client.commit([lab.position("t", 0, 1)]));
      };
      const a = await lab.join("a", { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 });
      await a.owns("t-0");
      b.onRevoke = () => undefined;
      release();
      await lab.until(() => code !== "none", "an answer");
      await b.hears(3);
      await lab.pass(1000);
      return { code, committed: await lab.committed("t"), a: a.told, b: b.told, errors: b.errors };
    },
    expected: {
      code: 25,
      committed: ["none"],
      a: ["assign t-0", "revoke t-0", "assign t-0"],
      b: ["assign t-0", "revoke t-0", "assign nothing"],
      errors: [],
    },
  },
  {
    name: "a consumer that polled too late may not commit while others are in the group",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const slow = { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 };
      const a = await lab.join("a", slow);
      await a.owns("t-0 t-1");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      await a.stall();
      await b.owns("t-0 t-1");
      const commit = outcome(a.client.commit([lab.position("t", 0, 5)]));
      await lab.pass(500);
      a.poll();
      return { code: await commit, committed: await lab.committed("t", 2) };
    },
    expected: { code: 25, committed: ["none", "none"] },
  },
  {
    name: "a consumer that polled too late may not commit, even if the group is empty",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const slow = { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 };
      const a = await lab.join("a", slow);
      await a.owns("t-0");
      await a.stall();
      await lab.pass(3500);
      const commit = outcome(a.client.commit([lab.position("t", 0, 5)]));
      await lab.pass(500);
      a.poll();
      return { code: await commit, committed: await lab.committed("t") };
    },
    expected: { code: 25, committed: ["none"] },
  },
];
