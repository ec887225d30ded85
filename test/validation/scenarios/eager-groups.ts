import type { Scenario } from "../scenario.js";

/** Groups that give everything up at each rebalance. */
export const eagerGroups: readonly Scenario[] = [
  {
    name: "two members share by range, and the first gives up everything before",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      const a = await lab.join("a");
      await a.owns("t-0 t-1 t-2");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0 t-1"), b.owns("t-2")]);
      return { a: a.told, b: b.told };
    },
    expected: { a: ["assign t-0 t-1 t-2", "revoke t-0 t-1 t-2", "assign t-0 t-1"], b: ["assign t-2"] },
  },
  {
    name: "range takes each topic by itself",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      await lab.createTopic("u", 3);
      const a = await lab.join("a", {}, "t", "u");
      await a.owns("t-0 t-1 t-2 u-0 u-1 u-2");
      const b = await lab.join("b", {}, "t", "u");
      await Promise.all([a.owns("t-0 t-1 u-0 u-1"), b.owns("t-2 u-2")]);
      return b.told;
    },
    expected: ["assign t-2 u-2"],
  },
  {
    name: "roundrobin deals out the partitions of all topics in turn",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      await lab.createTopic("u", 3);
      const strategy = { "partition.assignment.strategy": "roundrobin" };
      const a = await lab.join("a", strategy, "t", "u");
      await a.owns("t-0 t-1 t-2 u-0 u-1 u-2");
      const b = await lab.join("b", strategy, "t", "u");
      await Promise.all([a.owns("t-0 t-2 u-1"), b.owns("t-1 u-0 u-2")]);
      return b.told;
    },
    expected: ["assign t-1 u-0 u-2"],
  },
  {
    name: "three members share seven partitions unevenly",
    run: async (lab) => {
      await lab.createTopic("t", 7);
      const a = await lab.join("a");
      const b = await lab.join("b");
      const c = await lab.join("c");
      await Promise.all([a.owns("t-0 t-1 t-2"), b.owns("t-3 t-4"), c.owns("t-5 t-6")]);
      return "so";
    },
    expected: "so",
  },
  {
    name: "a member too many is assigned nothing, and one that loses all of it too",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const b = await lab.join("b");
      await b.owns("t-0");
      const c = await lab.join("c");
      await Promise.all([b.hears(3), c.hears(1)]);
      const before = { b: [...b.told], c: [...c.told] };
      const a = await lab.join("a");
      await a.owns("t-0");
      await Promise.all([b.hears(5), c.hears(3)]);
      return { before, a: a.told, b: b.told, c: c.told };
    },
    expected: {
      before: { b: ["assign t-0", "revoke t-0", "assign t-0"], c: ["assign nothing"] },
      a: ["assign t-0"],
      b: ["assign t-0", "revoke t-0", "assign t-0", "revoke t-0", "assign nothing"],
      c: ["assign nothing", "revoke nothing", "assign nothing"],
    },
  },
  {
    name: "members of different subscriptions get only what they read",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.createTopic("u", 2);
      const a = await lab.join("a", {}, "t");
      const b = await lab.join("b", {}, "t", "u");
      await Promise.all([a.owns("t-0"), b.owns("t-1 u-0 u-1")]);
      return "so";
    },
    expected: "so",
  },
  {
    name: "the partitions of a member that closes go to the other, after its revoke handler has ended",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      const order: string[] = [];
      b.onRevoke = async () => {
        await lab.pass(300);
        order.push("handler ended");
      };
      const before = a.told.length;
      a.onAssign = () => void order.push("taken over");
      await b.close();
      await a.owns("t-0 t-1");
      return { order, a: a.told.slice(before), b: b.told.at(-1) };
    },
    expected: {
      order: ["handler ended", "taken over"],
      a: ["revoke t-0", "assign t-0 t-1"],
      b: "revoke t-1",
    },
  },
  {
    name: "a group of one rebalances with nobody when it comes again",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      await a.close();
      const b = await lab.join("b");
      await b.owns("t-0 t-1");
      return { a: a.told, b: b.told };
    },
    expected: { a: ["assign t-0 t-1", "revoke t-0 t-1"], b: ["assign t-0 t-1"] },
  },
  {
    name: "nothing is read before the assign handler has ended",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const a = await lab.member("a");
      let release = (): void => undefined;
      a.onAssign = () => new Promise((resolve) => (release = resolve));
      a.start(lab.topics("t"));
      await a.hears(1);
      const polls = a.polls;
      await lab.until(() => a.polls > polls + 30, "polls going on");
      const early = a.count;
      release();
      await a.reads(3);
      return { early, read: a.read };
    },
    expected: { early: 0, read: { "t-0": [0, 1, 2] } },
  },
  {
    name: "while the revoke handler runs polls go on, nothing is read, and nobody else gets the partition",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 2);
      const b = await lab.join("b");
      await b.reads(2);
      let release = (): void => undefined;
      b.onRevoke = () => new Promise((resolve) => (release = resolve));
      const a = await lab.join("a");
      await b.hears(2);
      await lab.fill("t", 0, 2);
      const polls = b.polls;
      await lab.until(() => b.polls > polls + 30, "polls going on");
      const meanwhile = { b: b.count, a: [...a.told] };
      b.onRevoke = () => undefined;
      release();
      await a.reads(4);
      return { meanwhile, a: a.read, b: b.read };
    },
    expected: { meanwhile: { b: 2, a: [] }, a: { "t-0": [0, 1, 2, 3] }, b: { "t-0": [0, 1] } },
  },
  {
    name: "a rebalance waits until the assign handler of the last one has ended",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.member("a");
      let release = (): void => undefined;
      a.onAssign = () => new Promise((resolve) => (release = resolve));
      a.start(lab.topics("t"));
      await a.hears(1);
      const b = await lab.join("b");
      await lab.pass(1000);
      const early = [...a.told];
      a.onAssign = () => undefined;
      release();
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      return { early, a: a.told, b: b.told };
    },
    expected: {
      early: ["assign t-0 t-1"],
      a: ["assign t-0 t-1", "revoke t-0 t-1", "assign t-0"],
      b: ["assign t-1"],
    },
  },
  {
    name: "a member with nothing that closes gets a revocation of nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.join("a");
      await a.owns("t-0");
      const b = await lab.join("b");
      await b.hears(1);
      await b.close();
      return b.told;
    },
    expected: ["assign nothing", "revoke nothing"],
  },
  {
    name: "a member that closes before it was assigned anything hears nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.join("a");
      await a.owns("t-0");
      let release = (): void => undefined;
      a.onRevoke = () => new Promise((resolve) => (release = resolve));
      const b = await lab.join("b");
      await a.hears(2);
      await b.close();
      a.onRevoke = () => undefined;
      release();
      await a.hears(3);
      return b.told;
    },
    expected: [],
  },
  {
    name: "a revoke handler that throws gives the partitions up all the same",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const b = await lab.join("b");
      await b.owns("t-0");
      b.onRevoke = () => Promise.reject(new Error("no"));
      const a = await lab.join("a");
      await a.owns("t-0");
      return { errors: b.errors, told: b.told.slice(0, 2) };
    },
    expected: { errors: ["listener REBALANCE_FAILED"], told: ["assign t-0", "revoke t-0"] },
  },
  {
    name: "what was read and not committed is read again after a rebalance",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 3);
      await lab.fill("t", 1, 3);
      const a = await lab.join("a");
      await a.reads(6);
      await a.client.commit([lab.position("t", 0, 1), lab.position("t", 1, 2)]);
      const b = await lab.join("b");
      await b.reads(1);
      await a.reads(8);
      return { a: a.read, b: b.read };
    },
    expected: { a: { "t-0": [0, 1, 2, 1, 2], "t-1": [0, 1, 2] }, b: { "t-1": [2] } },
  },
  {
    name: "the strategy is one that all members have",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      const a = await lab.join("a", { "partition.assignment.strategy": "range,roundrobin" });
      await a.owns("t-0 t-1 t-2");
      const b = await lab.join("b", { "partition.assignment.strategy": "roundrobin" });
      await Promise.all([a.owns("t-0 t-2"), b.owns("t-1")]);
      return { a: a.told, b: b.told };
    },
    expected: { a: ["assign t-0 t-1 t-2", "revoke t-0 t-1 t-2", "assign t-0 t-2"], b: ["assign t-1"] },
  },
  {
    name: "a member that shares no strategy with the group is refused",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a", { "partition.assignment.strategy": "range" });
      await a.owns("t-0 t-1");
      const b = await lab.join("b", { "partition.assignment.strategy": "cooperative-sticky" });
      await b.fails();
      await lab.pass(1000);
      return { a: a.told, b: b.told, errors: [...new Set(b.errors)] };
    },
    expected: { a: ["assign t-0 t-1"], b: [], errors: ["poll 23"] },
  },
  {
    name: "closing waits for the assign handler, and revokes what was assigned",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.member("a");
      const order: string[] = [];
      a.onAssign = async () => {
        await lab.pass(2000);
        order.push("handler ended");
      };
      a.start(lab.topics("t"));
      await a.hears(1);
      await a.close();
      order.push("closed");
      await lab.pass(3000);
      return { told: a.told, order, errors: a.errors };
    },
    expected: { told: ["assign t-0", "revoke t-0"], order: ["handler ended", "closed"], errors: [] },
  },
  {
    name: "closing waits for the revoke handler of a rebalance, and revokes nothing more",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const b = await lab.join("b");
      await b.owns("t-0");
      const order: string[] = [];
      b.onRevoke = async () => {
        await lab.pass(1000);
        order.push("handler ended");
      };
      const a = await lab.join("a");
      await b.hears(2);
      await b.close();
      order.push("closed");
      await a.owns("t-0");
      return { told: b.told, order, errors: b.errors };
    },
    expected: { told: ["assign t-0", "revoke t-0"], order: ["handler ended", "closed"], errors: [] },
  },
];
