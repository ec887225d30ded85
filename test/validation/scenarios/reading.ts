import type { Scenario } from "../scenario.js";
import { outcome } from "../outcome.js";

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/** Polls, pauses and watermarks. */
export const reading: readonly Scenario[] = [
  {
    name: "the records of each partition come in order, complete",
    run: async (lab) => {
      await lab.createTopic("t", 3);
      for (const partition of [0, 1, 2]) await lab.fill("t", partition, 200);
      const member = await lab.join("a");
      await member.reads(600);
      return member.read;
    },
    expected: { "t-0": upTo(200), "t-1": upTo(200), "t-2": upTo(200) },
  },
  {
    name: "a poll brings no more than maxRecords",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 40);
      await lab.fill("t", 1, 40);
      const member = await lab.member("a");
      member.maxRecords = 7;
      member.start(lab.topics("t"));
      await member.reads(80);
      return { within: member.largest <= 7, more: member.largest > 1 };
    },
    expected: { within: true, more: true },
  },
  {
    name: "nothing is read while paused, and nothing is lost or repeated after",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 2);
      await lab.fill("t", 1, 2);
      const member = await lab.join("a");
      await member.reads(4);
      member.client.pause([lab.partition("t", 0)]);
      await lab.fill("t", 0, 5);
      await lab.fill("t", 1, 5);
      await lab.until(() => member.read["t-1"]?.length === 7, "the other partition going on");
      await lab.pass(300);
      const paused = member.read["t-0"]?.length;
      member.client.resume([lab.partition("t", 0)]);
      await member.reads(14);
      return { paused, read: member.read };
    },
    expected: { paused: 2, read: { "t-0": upTo(7), "t-1": upTo(7) } },
  },
  {
    name: "what was fetched and not yet polled is not read while paused either",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 50);
      const member = await lab.member("a");
      member.maxRecords = 5;
      let paused = 0;
      member.onChunk = (chunk) => {
        if (member.count < 20 || paused > 0) return;
        paused = member.count;
        member.client.pause([{ topic: chunk.topic(0), partition: 0 }]);
      };
      member.start(lab.topics("t"));
      await lab.until(() => paused > 0, "a pause");
      await lab.pass(500);
      const later = member.count - paused;
      member.maxRecords = 100;
      member.client.resume([lab.partition("t", 0)]);
      await member.reads(50);
      return { later, read: member.read };
    },
    expected: { later: 0, read: { "t-0": upTo(50) } },
  },
  {
    name: "pausing what is not assigned changes nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.createTopic("u", 1);
      await lab.fill("t", 0, 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      member.client.pause([lab.partition("u", 0), lab.partition("nowhere", 7)]);
      await member.reads(1);
      return { read: member.read, errors: member.errors };
    },
    expected: { read: { "t-0": [0] }, errors: [] },
  },
  {
    name: "a partition that is paused is still paused when it comes back from an eager rebalance",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      a.client.pause([lab.partition("t", 0)]);
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      await lab.fill("t", 0, 1);
      await lab.pass(1500);
      const read = { ...a.read };
      a.client.resume([lab.partition("t", 0)]);
      await a.reads(1);
      return read;
    },
    expected: {},
  },
  {
    name: "a partition that is paused is still paused when it comes back from another member",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      a.client.pause([lab.partition("t", 1)]);
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      await b.close();
      await a.owns("t-0 t-1");
      await lab.fill("t", 1, 1);
      await lab.pass(1500);
      const read = { ...a.read };
      a.client.resume([lab.partition("t", 1)]);
      await a.reads(1);
      return read;
    },
    expected: {},
  },
  {
    name: "a partition that is paused after it was given up is paused when it comes back",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      a.client.pause([lab.partition("t", 1)]);
      await b.close();
      await a.owns("t-0 t-1");
      await lab.fill("t", 1, 1);
      await lab.pass(1500);
      const read = { ...a.read };
      a.client.resume([lab.partition("t", 1)]);
      await a.reads(1);
      return read;
    },
    expected: {},
  },
  {
    name: "a partition that was assigned before can be paused in the assign handler",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      const a = await lab.join("a");
      await a.owns("t-0 t-1");
      a.onAssign = (partitions) => a.client.pause(partitions);
      const b = await lab.join("b");
      await Promise.all([a.owns("t-0"), b.owns("t-1")]);
      await lab.fill("t", 0, 1);
      await lab.pass(1500);
      const read = { ...a.read };
      a.client.resume([lab.partition("t", 0)]);
      await a.reads(1);
      return read;
    },
    expected: {},
  },
  {
    name: "pausing in the assign handler what was never assigned before changes nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const a = await lab.member("a");
      a.onAssign = (partitions) => a.client.pause(partitions);
      a.start(lab.topics("t"));
      await a.owns("t-0");
      await lab.pass(1500);
      const read = { ...a.read };
      a.client.resume([lab.partition("t", 0)]);
      await a.reads(1);
      return read;
    },
    expected: { "t-0": [0] },
  },
  {
    name: "a poll without records waits and brings nothing",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.join("a");
      await member.owns("t-0");
      await member.stall();
      const began = lab.cluster.now();
      const chunk = await member.client.poll({ maxRecords: 10, waitMs: 300 });
      return { chunk, waited: lab.cluster.now() - began >= 290 };
    },
    expected: { chunk: undefined, waited: true },
  },
  {
    name: "a poll ends at the first record",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      await lab.fill("t", 0, 1);
      const member = await lab.join("a");
      await member.reads(1);
      await member.stall();
      const poll = member.client.poll({ maxRecords: 10, waitMs: 30_000 });
      const began = lab.cluster.now();
      await lab.fill("t", 0, 1);
      const chunk = await poll;
      return { offset: chunk?.offset(0), soon: lab.cluster.now() - began < 15_000 };
    },
    expected: { offset: 1, soon: true },
  },
  {
    name: "a second poll is refused while one runs",
    run: async (lab) => {
      await lab.createTopic("t", 1);
      const member = await lab.member("a");
      member.client.subscribe(lab.topics("t"));
      const first = outcome(member.client.poll({ maxRecords: 1, waitMs: 200 }));
      const second = await outcome(member.client.poll({ maxRecords: 1, waitMs: 0 }));
      return { first: await first, second };
    },
    expected: { first: "ok", second: "POLL_FAILED" },
  },
  {
    name: "a consumer without a subscription polls nothing",
    run: async (lab) => {
      const member = await lab.member("a");
      return (await member.client.poll({ maxRecords: 1, waitMs: 50 })) ?? "nothing";
    },
    expected: "nothing",
  },
  {
    name: "the runs of a chunk cover it, each of one partition",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 0, 20);
      await lab.fill("t", 1, 20);
      const member = await lab.member("a");
      let wrong = 0;
      member.onChunk = (chunk) => {
        let next = 0;
        for (const { topic, partition, from, to, lastOffset } of chunk.runs()) {
          if (from !== next || chunk.offset(to - 1) !== lastOffset) wrong += 1;
          for (let at = from; at < to; at++)
            if (chunk.partition(at) !== partition || chunk.topic(at) !== topic) wrong += 1;
          next = to;
        }
        if (next !== chunk.length) wrong += 1;
      };
      member.start(lab.topics("t"));
      await member.reads(40);
      return wrong;
    },
    expected: 0,
  },
  {
    name: "the watermarks of an empty, of a filled and of no partition",
    run: async (lab) => {
      await lab.createTopic("t", 2);
      await lab.fill("t", 1, 3);
      const { client } = await lab.member("a");
      return {
        empty: await client.watermarks(lab.partition("t", 0), 10_000),
        filled: await client.watermarks(lab.partition("t", 1), 10_000),
        none: await outcome(client.watermarks(lab.partition("t", 9), 10_000)),
      };
    },
    expected: { empty: { low: 0, high: 0 }, filled: { low: 0, high: 3 }, none: -190 },
  },
];
