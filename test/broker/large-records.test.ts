import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { producerSink } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Source } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import type { LargeRecordsJob, LargeRecordsNews } from "./support/large-records-process.js";

const MEGABYTE = 2 ** 20;
/**
 * Above a process that has nothing to read, which has 75 MB where it is not compiled as it runs, as it is here: together these
 * are 256 MB.
 */
const MOST_ABOVE_IDLE = 180 * MEGABYTE;
/** So long each process runs once it has its first record: all that a broker has would have come long before. */
const RUN_MS = 5000;

type Role = LargeRecordsJob["role"];

describe("a process that reads or sends large records", function () {
  this.timeout(180_000);
  const prefix = `large-${process.pid}`;
  const processes: ChildProcess[] = [];
  let kafka: LocalKafka;
  let idle = 0;

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(`${prefix}-none`);
    const news = start({ topic: `${prefix}-none`, partitions: 1, role: "idle", stalled: false });
    await eventually("it has begun", () => news().done > 0, 60_000);
    await new Promise((resolve) => setTimeout(resolve, RUN_MS / 2));
    idle = news().maxRss;
  });

  afterEach(() => {
    for (const each of processes.splice(0)) each.kill("SIGKILL");
  });

  const fill = async (topic: string, partitions: number, records: number, bytes: number): Promise<void> => {
    await kafka.createTopic(topic, { partitions, configs: { "max.message.bytes": String(2 * bytes) } });
    const value = Buffer.alloc(bytes, "x");
    await Source.from(
      Array.from({ length: records }, (_, index) => ({ topic, partition: index % partitions, value })),
    ).runWith(producerSink({ kafka: { brokers: kafka.brokers }, properties: { "message.max.bytes": 2 * bytes } }));
  };

  const start = (job: Omit<LargeRecordsJob, "brokers">): (() => LargeRecordsNews) => {
    let news: LargeRecordsNews = { done: 0, maxRss: 0 };
    const child = fork(fileURLToPath(new URL("support/large-records-process.ts", import.meta.url)), [
      JSON.stringify({ brokers: kafka.brokers, ...job }),
    ]);
    processes.push(child);
    child.on("message", (message) => (news = message as LargeRecordsNews));
    return () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("the process has ended");
      return news;
    };
  };

  /** Side by side, with a stream that never ends its first work and with one that is slow: what is measured is of each. */
  const measure = async (topic: string, partitions: number, roles: readonly Role[]): Promise<void> => {
    const running = roles.flatMap((role) =>
      [true, false].map((stalled) => ({
        name: `${role}, ${stalled ? "stalled" : "slow"}`,
        news: start({ topic, partitions, role, stalled }),
      })),
    );
    await eventually("each has begun", () => running.every(({ news }) => news().done > 0), 100_000);
    // What is tested is what they have after a while.
    await new Promise((resolve) => setTimeout(resolve, RUN_MS));
    const above = (news: () => LargeRecordsNews): number => news().maxRss - idle;
    const figures = running.map(({ name, news }) => `${name} ${Math.round(above(news) / MEGABYTE)} MB`).join("; ");
    process.stderr.write(`${topic}, above ${Math.round(idle / MEGABYTE)} MB: ${figures}\n`);
    for (const { news } of running) expect(above(news), figures).to.be.at.most(MOST_ABOVE_IDLE);
  };

  // Plain sources and followed ones buffer as these do.
  const reading: readonly Role[] = ["explicit", "partitioned", "shared"];

  it("has at most 256 MB behind 8 partitions of records of 5 MB", async () => {
    await fill(`${prefix}-five`, 8, 64, 5_000_000);
    await measure(`${prefix}-five`, 8, reading);
  });

  it("has at most 256 MB behind 500 records of 1 MB", async () => {
    await fill(`${prefix}-one`, 1, 500, 1_000_000);
    await measure(`${prefix}-one`, 1, reading);
  });

  it("has at most 256 MB when it sends records of 0.9 MB", async () => {
    await kafka.createTopic(`${prefix}-sent`, { partitions: 2 });
    await measure(`${prefix}-sent`, 2, ["sending", "sending with little parallelism", "sending one by one"]);
  });
});
