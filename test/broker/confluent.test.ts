import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type ConsumerClient, rdkafkaDriver } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually, killAndAwait } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { confluentOrSkip } from "../support/confluent.js";
import { fetchRaw } from "./support/ask.js";
import type { ConfluentJob, ConfluentNews } from "./support/confluent-process.js";

const STEP_MS = 30_000;

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

/** Waits for the condition, and fails at once where the process has ended before it. */
async function reaches(what: string, child: ChildProcess, isSo: () => boolean): Promise<void> {
  await eventually(what, () => isSo() || !isRunning(child), STEP_MS);
  if (!isSo()) throw new Error(`The process ended before ${what}; its stderr says why.`);
}

describe("the driver over @confluentinc/kafka-javascript on a real broker", function () {
  this.timeout(120_000);
  let kafka: LocalKafka;
  const topic = `confluent-${process.pid}`;
  const children: ChildProcess[] = [];
  const clients: ConsumerClient[] = [];

  before(async function () {
    confluentOrSkip(this);
    kafka = await brokerOrSkip(this);
    for (const role of ["keep", "join"]) await kafka.createTopic(`${topic}-${role}`, { partitions: 1 });
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close().catch(() => undefined)));
    await Promise.all(children.splice(0).filter(isRunning).map(killAndAwait));
  });

  function start(role: ConfluentJob["role"]): { readonly child: ChildProcess; readonly news: ConfluentNews[] } {
    const job: ConfluentJob = { brokers: kafka.brokers, topic: `${topic}-${role}`, role };
    const child = fork(fileURLToPath(new URL("support/confluent-process.ts", import.meta.url)), [JSON.stringify(job)]);
    const news: ConfluentNews[] = [];
    child.on("message", (message) => news.push(message as ConfluentNews));
    children.push(child);
    return { child, news };
  }

  it("keeps headers of any bytes, null too, and the metadata of a commit up to a byte less than the broker's limit", async () => {
    const { child, news } = start("keep");
    await reaches("its news", child, () => news.length > 0);
    expect(news).to.deep.equal([
      {
        headers: [
          ["bytes", "00ff8000"],
          ["empty", ""],
          // Stored as null, as below, but the binding reads both alike.
          ["none", ""],
          ["text", Buffer.from("één").toString("hex")],
        ],
        metadata: "mr1:AQEAtIE-pM8",
        refused: 12,
      },
    ]);
    // As the protocol writes them: the length of the name, twice as much; the name; the length of the value, -1 for none.
    const stored = await fetchRaw(kafka.brokers.split(",")[0] as string, `${topic}-keep`);
    expect(stored.includes(Buffer.from("\x08none\x01"))).to.equal(true);
    expect(stored.includes(Buffer.from("\x0aempty\x00"))).to.equal(true);
  });

  it("makes topics, sets positions, asks for metadata and gives statistics", async () => {
    const { child, news } = start("administer");
    await reaches("its news, with every client closed", child, () => news.length > 0);
    expect(news).to.deep.equal([
      {
        codes: ["TOPIC_EXISTS", "TOPIC_NOT_FOUND"],
        partitions: 2,
        ends: [0, 1],
        committed: [1],
        statistics: "producer",
      },
    ]);
  });

  it("notifies a member that was suspended until another took over that its partitions are lost", async () => {
    const { child, news } = start("join");
    const told = (): readonly string[] => news.map((each) => ("told" in each ? each.told : ""));
    await reaches("an assignment", child, () => told().length > 0);
    child.kill("SIGSTOP");
    let taken = false;
    const other = rdkafkaDriver.consumer(
      { "bootstrap.servers": kafka.brokers, "group.id": `${topic}-join`, log_level: 0 },
      {
        onAssign: (partitions) => void (taken ||= partitions.length > 0),
        onRevoke: () => undefined,
        onError: () => undefined,
      },
    );
    clients.push(other);
    await other.connect();
    other.subscribe({ kind: "topics", topics: [`${topic}-join`] });
    for (const deadline = Date.now() + STEP_MS; !taken && Date.now() < deadline; ) {
      await other.poll({ maxRecords: 1, waitMs: 50 });
    }
    expect(taken, "another took over").to.equal(true);
    child.kill("SIGCONT");
    await reaches("the loss", child, () => told().length > 1);
    expect(told().slice(0, 2)).to.deep.equal(["assigned", "lost"]);
  });
});
