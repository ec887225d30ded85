import type { OutgoingRecord, ProducerTransactions } from "@millrace/kafka";
import type { Lab } from "../lab.js";
import { outcome, thrown } from "../outcome.js";
import type { Scenario } from "../scenario.js";
import type { Sender } from "../sender.js";

const ANSWER_MS = 15_000;
const READ = { "isolation.level": "read_committed" };

const transactional = async (lab: Lab, id = "tx"): Promise<[Sender, ProducerTransactions]> => {
  const sender = await lab.sender({ "transactional.id": `${lab.prefix}${id}` });
  const { transactions } = sender.client;
  if (transactions === undefined) throw new Error("The producer has no transactions.");
  return [sender, transactions];
};

const records = (lab: Lab, count: number): readonly OutgoingRecord[] =>
  Array.from({ length: count }, () => ({ ...lab.partition("t", 0), key: null, value: Buffer.from("v") }));

/** Two records committed, two aborted, one committed: markers at 2, 5 and 7. */
const history = async (lab: Lab): Promise<void> => {
  await lab.createTopic("t", 1);
  const [sender, transactions] = await transactional(lab);
  await transactions.init(ANSWER_MS);
  for (const [count, end] of [
    [2, "commit"],
    [2, "abort"],
    [1, "commit"],
  ] as const) {
    await transactions.begin();
    await sender.send(records(lab, count));
    await transactions[end](ANSWER_MS);
  }
};

/** Records and positions that become visible together, or not at all. */
export const transactions: readonly Scenario[] = [
  {
    name: "transactions: read_committed reads what was committed, over holes in the offsets",
    run: async (lab) => {
      await history(lab);
      const member = await lab.join("a", READ);
      await member.reads(3);
      await lab.pass(500);
      return { read: member.read, ends: await member.client.watermarks(lab.partition("t", 0), ANSWER_MS) };
    },
    expected: { read: { "t-0": [0, 1, 6] }, ends: { low: 0, high: 8 } },
  },
  {
    name: "transactions: read_uncommitted reads what was aborted too",
    run: async (lab) => {
      await history(lab);
      const member = await lab.join("a", { "isolation.level": "read_uncommitted" });
      await member.reads(5);
      await lab.pass(500);
      return member.read;
    },
    expected: { "t-0": [0, 1, 3, 4, 6] },
  },
  {
    name: "transactions: nothing behind an open one is read until it ends, and the high watermark is its beginning",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const [sender, transactions] = await transactional(lab);
      await transactions.init(ANSWER_MS);
      await transactions.begin();
      await sender.send(records(lab, 1));
      await lab.fill("t", 0, 1);
      const member = await lab.join("a", READ);
      await member.reads(1);
      await lab.pass(500);
      const open = { read: [...(member.read["t-0"] ?? [])], codes: sender.reports.map(({ code }) => code) };
      const committed = await member.client.watermarks(lab.partition("t", 0), ANSWER_MS);
      const dirty = await lab.member("b", { "isolation.level": "read_uncommitted" });
      const uncommitted = await dirty.client.watermarks(lab.partition("t", 0), ANSWER_MS);
      await transactions.commit(ANSWER_MS);
      await member.reads(3);
      return { open, committed, uncommitted, read: member.read };
    },
    expected: {
      open: { read: [0], codes: ["ok"] },
      committed: { low: 0, high: 1 },
      uncommitted: { low: 0, high: 3 },
      read: { "t-0": [0, 1, 2] },
    },
  },
  {
    name: "transactions: positions are committed with the records, and not before",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.createTopic("u", 1);
      await lab.fill("u", 0, 3);
      const member = await lab.join("a", READ, "u");
      await member.reads(3);
      const [sender, transactions] = await transactional(lab);
      await transactions.init(ANSWER_MS);
      await transactions.begin();
      await sender.send(records(lab, 1));
      const sent = await outcome(transactions.sendOffsets([lab.position("u", 0, 2)], member.client, ANSWER_MS));
      const reader = await lab.member("b", { "isolation.level": "read_uncommitted" });
      const before = await reader.client.committed([lab.partition("u", 0)], ANSWER_MS);
      const ended = await outcome(transactions.commit(ANSWER_MS));
      return { sent, before: before.length, ended, committed: await lab.committed("u") };
    },
    expected: { sent: "ok", before: 0, ended: "ok", committed: [2] },
  },
  {
    name: "transactions: positions of one that is aborted are forgotten",
    run: async (lab) => {
      await lab.createTopic("u", 1);
      await lab.fill("u", 0, 3);
      const member = await lab.join("a", READ, "u");
      await member.reads(3);
      await member.client.commit([lab.position("u", 0, 1)]);
      const [, transactions] = await transactional(lab);
      await transactions.init(ANSWER_MS);
      await transactions.begin();
      await transactions.sendOffsets([lab.position("u", 0, 2)], member.client, ANSWER_MS);
      await transactions.abort(ANSWER_MS);
      return lab.committed("u");
    },
    expected: [1],
  },
  {
    name: "transactions: a second producer of one id fences the first, whose transaction is aborted",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const [first, old] = await transactional(lab);
      await old.init(ANSWER_MS);
      await old.begin();
      await first.send(records(lab, 1));
      const [second, young] = await transactional(lab);
      await young.init(ANSWER_MS);
      const commit = await old.commit(ANSWER_MS).catch((error: unknown) => {
        const { code, fatal } = error as { readonly code?: unknown; readonly fatal?: unknown };
        return { code, fatal };
      });
      const abort = await old.abort(ANSWER_MS).catch((error: unknown) => (error as { readonly code?: unknown }).code);
      await young.begin();
      await second.send(records(lab, 1));
      await young.commit(ANSWER_MS);
      const member = await lab.join("a", READ);
      await member.reads(1);
      return { commit, abort, read: member.read };
    },
    expected: { commit: { code: "PRODUCER_FENCED", fatal: true }, abort: "PRODUCER_FENCED", read: { "t-0": [2] } },
  },
  {
    name: "transactions: calls out of turn are refused",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const name = (call: Promise<unknown>): Promise<unknown> =>
        call.then(
          () => "ok",
          (error: unknown) => (error as { readonly code?: unknown }).code,
        );
      const [sender, transactions] = await transactional(lab);
      const early = await name(transactions.begin());
      await transactions.init(ANSWER_MS);
      const outside = thrown(() => sender.client.produceBatch(records(lab, 1), 0, 0));
      const nothing = {
        commit: await name(transactions.commit(ANSWER_MS)),
        abort: await name(transactions.abort(ANSWER_MS)),
      };
      await transactions.begin();
      const twice = await name(transactions.begin());
      const empty = await name(transactions.commit(ANSWER_MS));
      return { early, outside, nothing, twice, empty };
    },
    expected: {
      early: "TRANSACTION_FAILED",
      outside: -172,
      nothing: { commit: "TRANSACTION_FAILED", abort: "TRANSACTION_FAILED" },
      twice: "TRANSACTION_FAILED",
      empty: "ok",
    },
  },
  {
    name: "transactions: positions of a consumer that lost its membership are refused, and it can be aborted",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const slow = { "session.timeout.ms": 2000, "max.poll.interval.ms": 2000, ...READ };
      const b = await lab.join("b", slow);
      await b.owns("t-0");
      const c = await lab.join("c");
      await Promise.all([c.hears(1), b.hears(3)]);
      await b.stall();
      await c.owns("t-0");
      const [, transactions] = await transactional(lab);
      await transactions.init(ANSWER_MS);
      await transactions.begin();
      const sent = await transactions
        .sendOffsets([lab.position("t", 0, 1)], b.client, ANSWER_MS)
        .catch((error: unknown) => {
          const { code, fatal, retriable } = error as { code?: unknown; fatal?: unknown; retriable?: unknown };
          return { code, fatal, retriable };
        });
      const aborted = await outcome(transactions.abort(ANSWER_MS));
      return { sent, aborted, committed: await lab.committed("t") };
    },
    expected: {
      sent: { code: "TRANSACTION_ABORTABLE", fatal: false, retriable: false },
      aborted: "ok",
      committed: ["none"],
    },
  },
  {
    name: "transactions: a producer without an id has none",
    run: async (lab) => {
      const sender = await lab.sender();
      return sender.client.transactions === undefined;
    },
    expected: true,
  },
];
