/** A drain keeps its deadline and lets its process go, whatever has become of its broker. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import type { DrainJob, DrainNews } from "./support/drain-process.js";
import { fill } from "./support/topics.js";

const TIMEOUT_MS = 2000;
/** Far from what it needs, and from what it took: 20 s for a killed broker, 50 s for a frozen one, and no end. */
const REPORT_MS = 12_000;
const EXIT_MS = 25_000;

const within = async <T>(what: string, promise: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not so after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

describe("a drain, on a real broker", function () {
  this.timeout(90_000);
  let kafka: LocalKafka;
  let child: ChildProcess | undefined;
  let count = 0;

  before(async function () {
    kafka = await ownBrokersOrSkip(this);
  });
  after(async function () {
    this.timeout(60_000);
    await kafka?.stop();
  });
  afterEach(() => child?.kill("SIGKILL"));

  const started = async (
    pipeline: DrainJob["pipeline"],
    exits: boolean,
  ): Promise<{ readonly told: readonly DrainNews[]; readonly exit: Promise<unknown> }> => {
    const topic = `drain-${count++}`;
    await kafka.createTopic(topic, { partitions: 1 });
    await kafka.createTopic(`${topic}-out`, { partitions: 1 });
    const job: DrainJob = { brokers: kafka.brokers, topic, pipeline, timeoutMs: TIMEOUT_MS, exits };
    child = fork(fileURLToPath(new URL("support/drain-process.ts", import.meta.url)), [JSON.stringify(job)]);
    const told: DrainNews[] = [];
    child.on("message", (message) => told.push(message as DrainNews));
    const exit = once(child, "exit").then(([code]) => code as unknown);
    await fill(
      kafka.brokers,
      Array.from({ length: 5 }, () => ({ topic, partition: 0, key: null, value: Buffer.from("v") })),
    );
    await eventually("records", () => told.length >= 5, 30_000);
    return { told, exit };
  };
  const reported = async (told: readonly DrainNews[]): Promise<string> => {
    child?.send("drain");
    await eventually("the report", () => told.some(({ news }) => news !== "delivering"), REPORT_MS);
    const last = told.at(-1);
    return last?.news === "rejected" ? last.code : (last?.news ?? "nothing");
  };

  it("of a handler that never ends beside a producer rejects, and the process ends", async () => {
    const { told, exit } = await started("endless", false);
    expect(await reported(told)).to.equal("DRAIN_INCOMPLETE");
    expect(await within("the end of the process", exit, EXIT_MS)).to.equal(0);
  });

  for (const [what, away, back] of [
    ["frozen", () => kafka.broker(1).pause(), () => kafka.broker(1).resume()],
    ["killed", () => kafka.broker(1).kill(), () => kafka.broker(1).start()],
  ] as const) {
    for (const pipeline of ["idle", "followed", "endless"] as const) {
      it(`whose broker is ${what} reports in time, and then nothing keeps process.exit waiting (${pipeline})`, async () => {
        const { told, exit } = await started(pipeline, true);
        await away();
        try {
          await reported(told);
          expect(await within("the end of the process", exit, EXIT_MS)).to.equal(0);
        } finally {
          await back();
        }
      });
    }
  }
});
