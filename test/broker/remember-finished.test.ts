import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { string, producerSink } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Source } from "@millrace/streams";
import { expect } from "chai";
import { eventually, killAndAwait } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { confluentOrSkip } from "../support/confluent.js";
import type { RememberJob, RememberNews } from "./support/remember-process.js";

const STEP_MS = 60_000;
const RECORDS = 20;

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

describe("a source that remembers what is finished above the committed position, on a real broker", function () {
  this.timeout(150_000);
  let kafka: LocalKafka;
  const topic = `remember-${process.pid}`;
  const children: ChildProcess[] = [];

  before(async function () {
    confluentOrSkip(this);
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(topic, { partitions: 1 });
    await Source.from(Array.from({ length: RECORDS }, (_, index) => ({ topic, value: String(index) }))).runWith(
      producerSink({ kafka: { brokers: kafka.brokers }, value: string() }),
    );
  });
  after(() => Promise.all(children.filter(isRunning).map(killAndAwait)));

  const start = (hold: readonly number[]): { readonly child: ChildProcess; readonly news: RememberNews[] } => {
    const job: RememberJob = { brokers: kafka.brokers, topic, hold };
    const child = fork(fileURLToPath(new URL("support/remember-process.ts", import.meta.url)), [JSON.stringify(job)]);
    const news: RememberNews[] = [];
    child.on("message", (message) => news.push(message as RememberNews));
    children.push(child);
    return { child, news };
  };
  const delivered = (news: readonly RememberNews[]): number[] =>
    news.flatMap((each) => ("delivered" in each ? [each.delivered] : []));

  it("delivers only what was unfinished to the process after one that was killed", async () => {
    const first = start([3, 7]);
    const told = (): boolean =>
      first.news.some((each) => "committed" in each && each.committed === 3 && each.behindWatermark === RECORDS - 5);
    await eventually("all but two to be finished, and the position of the first to be committed", told, STEP_MS);
    // One more commit interval, so that the last of them is told as well.
    const reports = first.news.length;
    await eventually("another commit interval", () => first.news.length > reports + 4, STEP_MS);
    await killAndAwait(first.child);
    const second = start([]);
    await eventually(
      "the rest to be finished",
      () => second.news.some((each) => "committed" in each && each.committed === RECORDS),
      STEP_MS,
    );
    expect(delivered(second.news)).to.deep.equal([3, 7]);
  });
});
