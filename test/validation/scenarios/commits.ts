import type { Scenario } from "../scenario.js";
import { outcome, thrown } from "../outcome.js";
import type { KafkaConnectorError } from "@millrace/kafka";

const nobody = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };

/** What is stored, and what is refused with which code. */
export const commits: readonly Scenario[] = [
  {
    name: "partitions that were never committed have no committed position",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const member = await lab.join("a");
      await member.owns("t-0 t-1");
      await member.client.commit([lab.position("t", 1, 0)]);
      return lab.committed("t", 2);
    },
    expected: ["none", 0],
  },
  {
    name: "a commit of a lower position takes the group back",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 5);
      const member = await lab.join("a");
      await member.reads(5);
      const codes = [
        await outcome(member.client.commit([lab.position("t", 0, 5)])),
        await outcome(member.client.commit([lab.position("t", 0, 2)])),
      ];
      await member.close();
      const second = await lab.join("b");
      await second.reads(3);
      return { codes, read: second.read };
    },
    expected: { codes: ["ok", "ok"], read: { "t-0": [2, 3, 4] } },
  },
  {
    name: "a commit of nothing succeeds",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      return outcome(member.client.commit([]));
    },
    expected: "ok",
  },
  {
    name: "a second commit is refused while one is in flight, which succeeds",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      const first = outcome(member.client.commit([lab.position("t", 0, 1)]));
      const refused = await member.client.commit([lab.position("t", 0, 2)]).catch((error: unknown) => {
        const { code, clientCode, retriable } = error as KafkaConnectorError;
        return { code, clientCode, retriable };
      });
      return { refused, first: await first, committed: await lab.committed("t") };
    },
    expected: {
      refused: { code: "COMMIT_FAILED", clientCode: undefined, retriable: true },
      first: "ok",
      committed: [1],
    },
  },
  {
    name: "a consumer that assigns itself commits to a group without members",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 2);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "beginning"));
      await member.reads(2);
      const code = await outcome(member.client.commit([lab.position("t", 0, 2)]));
      return { code, committed: await lab.committed("t") };
    },
    expected: { code: "ok", committed: [2] },
  },
  {
    name: "a consumer that assigns itself is refused by a group with members",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      const manual = await lab.member("b");
      manual.start(lab.assignment("t", "beginning"));
      const code = await outcome(manual.client.commit([lab.position("t", 0, 2)]));
      return { code, committed: await lab.committed("t"), told: member.told };
    },
    expected: { code: 25, committed: ["none"], told: ["assign t-0"] },
  },
  {
    name: "a member commits for a partition that another one owns",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      const code = await outcome(b.client.commit([lab.position("t", 0, 7)]));
      return { code, committed: await lab.committed("t", 2) };
    },
    expected: { code: "ok", committed: [7, "none"] },
  },
  {
    name: "a commit for a partition that does not exist is refused",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      return outcome(member.client.commit([lab.position("t", 5, 1)]));
    },
    expected: 3,
  },
  {
    name: "of a commit for one partition that exists and one that does not, the first is stored",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      const code = await outcome(member.client.commit([lab.position("t", 0, 4), lab.position("t", 5, 1)]));
      return { code, committed: await lab.committed("t") };
    },
    expected: { code: 3, committed: [4] },
  },
  {
    name: "closing commits nothing by itself",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const member = await lab.join("a");
      await member.reads(3);
      await member.close();
      return { committed: await lab.committed("t"), told: member.told };
    },
    expected: { committed: ["none"], told: ["assign t-0", "revoke t-0"] },
  },
  {
    name: "closing waits for the commit in flight",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      await member.stall();
      const commit = outcome(member.client.commit([lab.position("t", 0, 3)]));
      await member.close();
      return { code: await commit, committed: await lab.committed("t") };
    },
    expected: { code: "ok", committed: [3] },
  },
  {
    name: "a commit in the revoke handler is stored before the next owner begins",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 4);
      const a = await lab.join("b");
      await a.reads(4);
      const codes: (number | string)[] = [];
      a.onRevoke = async () => void codes.push(await outcome(a.client.commit([lab.position("t", 0, 2)])));
      const b = await lab.join("a");
      await b.reads(2);
      return { codes, read: b.read, told: a.told.slice(0, 2) };
    },
    expected: { codes: ["ok"], read: { "t-0": [2, 3] }, told: ["assign t-0", "revoke t-0"] },
  },
  {
    name: "a commit sent while the group waits for another member is answered after the rebalance, and refused",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      let release = (): void => undefined;
      b.onRevoke = () => new Promise((resolve) => (release = resolve));
      const revoked = b.told.length;
      const c = await lab.join("c");
      await b.hears(revoked + 1);
      await a.owns("");
      // Its answer to the join does not come before b joins too.
      await lab.pass(500);
      let answered = false;
      const commit = outcome(a.client.commit([lab.position("t", 0, 9)])).finally(() => (answered = true));
      await lab.pass(500);
      const early = answered;
      release();
      await Promise.all([a.owns("t-0"), b.owns("t-1"), c.owns("")]);
      b.onRevoke = () => undefined;
      return { early, code: await commit, committed: await lab.committed("t", 2) };
    },
    expected: { early: false, code: 22, committed: ["none", "none"] },
  },
  {
    name: "after the rebalance a member still commits for a partition it gave up",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      const code = await outcome(a.client.commit([lab.position("t", 1, 6)]));
      return { code, committed: await lab.committed("t", 2) };
    },
    expected: { code: "ok", committed: ["none", 6] },
  },
  {
    name: "a consumer commits before it polls",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.member("a");
      member.poll();
      const code = await outcome(member.client.commit([lab.position("t", 0, 1)]));
      return { code, committed: await lab.committed("t") };
    },
    expected: { code: "ok", committed: [1] },
  },
  {
    name: "groups commit independently of each other",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 3);
      const [a, b] = [await lab.join("a", { "group.id": "g" }), await lab.join("b", { "group.id": "h" })];
      await Promise.all([a.reads(3), b.reads(3)]);
      const codes = [
        await outcome(a.client.commit([lab.position("t", 0, 1)])),
        await outcome(b.client.commit([lab.position("t", 0, 3)])),
      ];
      return { codes, g: await lab.committed("t", 1, "g"), h: await lab.committed("t", 1, "h") };
    },
    expected: { codes: ["ok", "ok"], g: [1], h: [3] },
  },
  {
    name: "a consumer refuses what comes before connect and after close",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const properties = { ...lab.cluster.properties, "group.id": `${lab.prefix}g` };
      const early = lab.driver.consumer(properties, nobody);
      const before = [
        thrown(() => early.subscribe(lab.topics("t"))),
        await outcome(early.poll({ maxRecords: 1, waitMs: 0 })),
        await outcome(early.commit([lab.position("t", 0, 1)])),
        await outcome(early.committed([lab.partition("t", 0)], 1000)),
      ];
      const late = await lab.join("b");
      await late.owns("t-0");
      await late.close();
      const after = [
        thrown(() => late.client.subscribe(lab.topics("t"))),
        await outcome(late.client.poll({ maxRecords: 1, waitMs: 0 })),
        await outcome(late.client.commit([lab.position("t", 0, 1)])),
        await outcome(late.client.watermarks(lab.partition("t", 0), 1000)),
        await outcome(late.client.connect()),
        await outcome(late.client.close()),
      ];
      return { before, after };
    },
    expected: {
      before: ["CLIENT_FAILED", "CLIENT_FAILED", "CLIENT_FAILED", "CLIENT_FAILED"],
      after: ["CONSUMER_CLOSED", "CONSUMER_CLOSED", "CONSUMER_CLOSED", "CONSUMER_CLOSED", "CONSUMER_CLOSED", "ok"],
    },
  },
  {
    name: "a commit that the revoke handler does not wait for is stored all the same",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 4);
      const b = await lab.join("b");
      await b.reads(4);
      const codes: Promise<number | string>[] = [];
      b.onRevoke = () => void codes.push(outcome(b.client.commit([lab.position("t", 0, 2)])));
      const a = await lab.join("a");
      await a.reads(2);
      b.onRevoke = () => undefined;
      return { code: await codes[0], read: a.read };
    },
    expected: { code: "ok", read: { "t-0": [2, 3] } },
  },
  {
    name: "a commit in the lost handler is refused",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const slow = { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000 };
      const b = await lab.join("b", slow);
      await b.owns("t-0");
      const a = await lab.join("c");
      await Promise.all([a.hears(1), b.hears(3)]);
      let code: Promise<number | string> | undefined;
      b.onLost = () => (code = outcome(b.client.commit([lab.position("t", 0, 2)])));
      await b.stall();
      await a.owns("t-0");
      b.poll();
      await lab.until(() => code !== undefined, "a loss");
      return { code: await code, committed: await lab.committed("t") };
    },
    expected: { code: 25, committed: ["none"] },
  },
  {
    name: "the metadata of a commit is read back",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      await member.client.commit([{ ...lab.position("t", 0, 2), metadata: "so far" }]);
      const [position] = await member.client.committed([lab.partition("t", 0)], 10_000);
      return { offset: position?.offset, metadata: position?.metadata ?? "none" };
    },
    expected: { offset: 2, metadata: "so far" },
    onBroker: { expected: { offset: 2, metadata: "none" }, because: "node-rdkafka sends no metadata" },
  },
  {
    name: "a fenced member may not commit",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const a = await lab.join("a", { "group.instance.id": "one" });
      await a.owns("t-0");
      const b = await lab.join("b", { "group.instance.id": "one" });
      await b.owns("t-0");
      await a.fails();
      const code = await outcome(a.client.commit([lab.position("t", 0, 2)]));
      return { code, committed: await lab.committed("t") };
    },
    expected: { code: 82, committed: ["none"] },
  },
];
