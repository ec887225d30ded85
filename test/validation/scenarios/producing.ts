import type { Headers, OutgoingRecord } from "@millrace/kafka";
import type { Lab } from "../lab.js";
import { outcome, thrown } from "../outcome.js";
import type { Scenario } from "../scenario.js";

const text = (value: string): Buffer => Buffer.from(value);
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

const record = (lab: Lab, more: Partial<Omit<OutgoingRecord, "topic">> & { topic?: string } = {}): OutgoingRecord => ({
  key: null,
  value: text("v"),
  ...more,
  topic: lab.prefix + (more.topic ?? "t"),
});

/** Records sent and their reports. */
export const producing: readonly Scenario[] = [
  {
    name: "reports of a partition come in order, with ascending offsets",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender();
      await sender.send(upTo(50).map((index) => record(lab, { partition: 0, value: text(String(index)) })));
      return {
        ids: sender.reports.map(({ id }) => id),
        offsets: sender.reports.map(({ offset }) => offset),
        outstanding: sender.client.outstanding,
      };
    },
    expected: { ids: upTo(50), offsets: upTo(50), outstanding: 0 },
  },
  {
    name: "a record goes to the partition it names",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      const sender = await lab.sender();
      await sender.send([2, 0, 1, 2].map((partition) => record(lab, { partition, key: text("same") })));
      return [...sender.reports].sort((a, b) => a.id - b.id).map(({ partition, offset }) => `${partition}@${offset}`);
    },
    expected: ["2@0", "0@0", "1@0", "2@1"],
  },
  {
    name: "a key decides the partition, by the same hash",
    run: async (lab) => {
      await lab.createTopic("t", 7);
      const sender = await lab.sender();
      const keys = [
        "a",
        "b",
        "c",
        "customer-1",
        "customer-2",
        "Zürich",
        "0",
        "a longer key with spaces",
        "\u0000\u0001",
      ];
      await sender.send([...keys, ...keys].map((key) => record(lab, { key: text(key) })));
      return [...sender.reports].sort((a, b) => a.id - b.id).map(({ partition }) => partition);
    },
    expected: [4, 4, 0, 3, 0, 5, 4, 2, 4, 4, 4, 0, 3, 0, 5, 4, 2, 4],
  },
  {
    name: "an empty key decides the partition as any other key does",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const sender = await lab.sender({ "sticky.partitioning.linger.ms": 0 });
      for (let index = 0; index < 20; index++) await sender.send([record(lab, { key: text("") })]);
      return [...new Set(sender.reports.map(({ partition }) => partition))];
    },
    expected: [0],
  },
  {
    name: "records without a key spread over the partitions",
    run: async (lab) => {
      await lab.createTopic("t", 4);
      const sender = await lab.sender({ "sticky.partitioning.linger.ms": 0 });
      for (let index = 0; index < 40; index++) await sender.send([record(lab)]);
      return new Set(sender.reports.map(({ partition }) => partition)).size > 1;
    },
    expected: true,
  },
  {
    name: "headers, keys, values and timestamps come back as they were sent",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const headers: Headers = [
        ["a", text("1")],
        ["b", text("")],
        ["a", text("2")],
        ["ü", text("ß")],
      ];
      const sender = await lab.sender();
      await sender.send([
        record(lab, { partition: 0, key: text("k"), value: text("v"), headers, timestamp: 1_700_000_000_123 }),
        record(lab, { partition: 0, key: null, value: null, timestamp: 1 }),
        record(lab, { partition: 0, key: text("k"), value: null, timestamp: 3 }),
      ]);
      const member = await lab.member("a");
      const seen: unknown[] = [];
      member.onChunk = (chunk) => {
        for (let at = 0; at < chunk.length; at++) {
          const named = chunk.headers(at).map(([name, value]) => `${name}=${value?.toString()}`);
          seen.push([
            chunk.key(at)?.toString() ?? null,
            chunk.value(at)?.toString() ?? null,
            named,
            chunk.timestamp(at),
          ]);
        }
      };
      member.start(lab.assignment("t", "beginning"));
      await member.reads(3);
      return seen;
    },
    expected: [
      ["k", "v", ["a=1", "b=", "a=2", "ü=ß"], 1_700_000_000_123],
      [null, null, [], 1],
      ["k", null, [], 3],
    ],
  },
  {
    name: "an empty key and an empty value are not null",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender();
      await sender.send([record(lab, { partition: 0, key: text(""), value: text("") })]);
      const member = await lab.member("a");
      const seen: unknown[] = [];
      member.onChunk = (chunk) => void seen.push(chunk.key(0)?.length ?? null, chunk.value(0)?.length ?? null);
      member.start(lab.assignment("t", "beginning"));
      await member.reads(1);
      return seen;
    },
    expected: [0, 0],
  },
  {
    name: "a header may be null, or binary",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const { client } = await lab.sender();
      const one = (value: Buffer | null) => record(lab, { partition: 0, headers: [["a", value]] });
      return [null, Buffer.from([0]), Buffer.from([0xff])].map((value, id) =>
        thrown(() => client.produceBatch([one(value)], 0, id)),
      );
    },
    expected: ["ok", "ok", "ok"],
    onBroker: {
      expected: ["INVALID_RECORD", "INVALID_RECORD", "INVALID_RECORD"],
      because: "node-rdkafka would corrupt such headers, so the driver refuses them",
    },
  },
  {
    name: "a record without a timestamp gets the time it was sent",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.member("a");
      const stamps: number[] = [];
      member.onChunk = (chunk) => void stamps.push(chunk.timestamp(0));
      const sender = await lab.sender();
      await sender.send([record(lab, { partition: 0 })]);
      await lab.pass(200);
      await sender.send([record(lab, { partition: 0 })]);
      member.maxRecords = 1;
      member.start(lab.assignment("t", "beginning"));
      await member.reads(2);
      const apart = (stamps[1] ?? 0) - (stamps[0] ?? 0);
      return apart >= 190 && apart < 10_000;
    },
    expected: true,
  },
  {
    name: "a record for a topic that does not exist is accepted, and reported as failed",
    run: async (lab) => {
      const sender = await lab.sender({
        "allow.auto.create.topics": false,
        "topic.metadata.propagation.max.ms": 500,
        "message.timeout.ms": 10_000,
      });
      const accepted = thrown(() => sender.client.produceBatch([record(lab, { topic: "nowhere" })], 0, 0));
      await sender.client.flush(15_000);
      return { accepted, reports: sender.reports.map(({ offset, code }) => ({ offset, code })) };
    },
    expected: { accepted: "ok", reports: [{ offset: -1, code: 3 }] },
  },
  {
    name: "a second record for a topic that does not exist is refused at once",
    run: async (lab) => {
      const sender = await lab.sender({
        "allow.auto.create.topics": false,
        "topic.metadata.propagation.max.ms": 500,
        "message.timeout.ms": 10_000,
      });
      const lost = record(lab, { topic: "nowhere" });
      sender.client.produceBatch([lost], 0, 0);
      await sender.client.flush(15_000);
      const accepted = thrown(() => sender.client.produceBatch([lost], 0, 0));
      await sender.client.flush(15_000);
      return { accepted, reports: sender.reports.map(({ offset, code }) => ({ offset, code })) };
    },
    expected: { accepted: -188, reports: [{ offset: -1, code: 3 }] },
  },
  {
    name: "a record for a partition that does not exist is refused at once, and ends a batch before it",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const sender = await lab.sender({ "message.timeout.ms": 10_000 });
      await sender.send([record(lab, { partition: 0 })]);
      const bad = record(lab, { partition: 5 });
      const alone = thrown(() => sender.client.produceBatch([bad], 0, 1));
      const behind = sender.client.produceBatch([record(lab, { partition: 1 }), bad], 0, 1);
      await sender.client.flush(15_000);
      return { alone, behind, reports: sender.reports.map(({ id, code }) => ({ id, code })) };
    },
    expected: {
      alone: -190,
      behind: 1,
      reports: [
        { id: 0, code: "ok" },
        { id: 1, code: "ok" },
      ],
    },
  },
  {
    name: "a record that is too large for the client is refused at once",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender({ "message.max.bytes": 10_000 });
      const large = record(lab, { partition: 0, value: Buffer.alloc(20_000) });
      const alone = thrown(() => sender.client.produceBatch([large], 0, 0));
      const behind = sender.client.produceBatch([record(lab, { partition: 0 }), large], 0, 0);
      await sender.client.flush(15_000);
      return { alone, behind, codes: sender.reports.map(({ code }) => code) };
    },
    expected: { alone: 10, behind: 1, codes: ["ok"] },
  },
  {
    name: "a record whose value is no Buffer, whose partition is no number, or whose timestamp is 0, is refused at once",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const { client } = await lab.sender();
      const value = { ...record(lab), value: "text" as unknown as Buffer };
      return {
        value: thrown(() => client.produceBatch([value], 0, 0)),
        partition: thrown(() => client.produceBatch([record(lab, { partition: 0.5 })], 0, 0)),
        topic: thrown(() => client.produceBatch([{ ...record(lab), topic: "" }], 0, 0)),
        timestamps: [-5, 0, 0.5, Number.NaN].map((timestamp) =>
          thrown(() => client.produceBatch([record(lab, { timestamp })], 0, 0)),
        ),
        behind: client.produceBatch([record(lab), value], 0, 0),
      };
    },
    expected: {
      value: "INVALID_RECORD",
      partition: "INVALID_RECORD",
      topic: "INVALID_RECORD",
      timestamps: ["INVALID_RECORD", "INVALID_RECORD", "INVALID_RECORD", "INVALID_RECORD"],
      behind: 1,
    },
  },
  {
    name: "a full queue takes no more, and takes the rest after reports",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender({ "queue.buffering.max.messages": 10, "linger.ms": 100 });
      const records = upTo(25).map((index) => record(lab, { partition: 0, value: text(String(index)) }));
      const accepted = sender.client.produceBatch(records, 0, 0);
      const more = sender.client.produceBatch(records, accepted, 0);
      const outstanding = sender.client.outstanding;
      await sender.client.flush(15_000);
      await sender.send(records.slice(accepted));
      return { accepted, more, outstanding, offsets: sender.reports.map(({ offset }) => offset) };
    },
    expected: { accepted: 10, more: 0, outstanding: 10, offsets: upTo(25) },
  },
  {
    name: "a flush that takes too long rejects, and the records arrive all the same",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      // It is not sent before, however slow the machine is.
      const sender = await lab.sender({ "linger.ms": 500 });
      sender.client.produceBatch([record(lab, { partition: 0 })], 0, 0);
      const early = await outcome(sender.client.flush(0));
      const late = await outcome(sender.client.flush(15_000));
      return { early, late, codes: sender.reports.map(({ code }) => code) };
    },
    expected: { early: "FLUSH_TIMEOUT", late: "ok", codes: ["ok"] },
  },
  {
    name: "closing waits for the reports, and again does nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender({ "linger.ms": 50 });
      sender.client.produceBatch([record(lab, { partition: 0 }), record(lab, { partition: 0 })], 0, 0);
      const closed = await outcome(sender.client.close());
      const again = await outcome(sender.client.close());
      return { closed, again, codes: sender.reports.map(({ code }) => code) };
    },
    expected: { closed: "ok", again: "ok", codes: ["ok", "ok"] },
  },
  {
    name: "closing with drop waits for no report",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender({ "linger.ms": 1000 });
      sender.client.produceBatch([record(lab, { partition: 0 })], 0, 0);
      const began = lab.cluster.now();
      const closed = await outcome(sender.client.close({ drop: true }));
      return { closed, soon: lab.cluster.now() - began < 900, reports: sender.reports };
    },
    expected: { closed: "ok", soon: true, reports: [] },
  },
  {
    name: "a producer refuses what comes before connect and after close",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const early = lab.driver.producer(lab.cluster.properties, {
        onReports: () => undefined,
        onError: () => undefined,
      });
      const before = thrown(() => early.produceBatch([record(lab)], 0, 0));
      const late = await lab.sender();
      await late.close();
      const after = thrown(() => late.client.produceBatch([record(lab)], 0, 0));
      return { before, after, connect: await outcome(late.client.connect()) };
    },
    expected: { before: "PRODUCE_FAILED", after: "PRODUCER_CLOSED", connect: "PRODUCER_CLOSED" },
  },
  {
    name: "without acknowledgements a report has no offset",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const sender = await lab.sender({ acks: 0 });
      await sender.send([record(lab, { partition: 0 }), record(lab, { partition: 0 })]);
      const member = await lab.member("a");
      member.start(lab.assignment("t", "beginning"));
      await member.reads(2);
      return { reports: sender.reports, read: member.read };
    },
    expected: {
      reports: [
        { id: 0, partition: 0, offset: -1, code: "ok" },
        { id: 1, partition: 0, offset: -1, code: "ok" },
      ],
      read: { "t-0": [0, 1] },
    },
  },
  {
    name: "two hundred keys fall on the partitions of the same hash",
    run: async (lab) => {
      await lab.createTopic("t", 12);
      const sender = await lab.sender();
      await sender.send(upTo(200).map((index) => record(lab, { key: text(`order/${index}`) })));
      return [...sender.reports]
        .sort((a, b) => a.id - b.id)
        .map(({ partition }) => partition.toString(36))
        .join("");
    },
    expected:
      "31b124a053531b0a463160a8793986713124a41b460a13136017130682b168a0b1b502793524a4130a82935b681b178a02b164a0" +
      "31358231b9a0a0174606971b209b5302063568a8b97946797168249b4a469b93a4175b068ab96460b5b18a71b924a493",
  },
];
