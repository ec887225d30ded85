import {
  committableSource,
  committerSink,
  DrainingControl,
  type OutgoingRecord,
  plainSource,
  restarting,
  type RestartingControl,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";
import { fill } from "./support/topics.js";

const WAIT_MS = 30_000;
const COUNT = 60;
const FAILURES = 3;

const until = async (holds: () => boolean, what: string): Promise<void> => {
  for (const deadline = Date.now() + WAIT_MS; !holds(); ) {
    if (Date.now() > deadline) throw new Error(`expected ${what} within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const names = Array.from({ length: COUNT }, (_, offset) => `0@${offset}`);

/** Throws at every so many-th record, some times. */
const failing = (): (() => void) => {
  let count = 0;
  let left = FAILURES;
  return () => {
    count += 1;
    if (count % 20 !== 0 || left === 0) return;
    left -= 1;
    throw new Error("handler");
  };
};

describe("a graph that restarts, on a real broker", function () {
  this.timeout(90_000);
  let broker: LocalKafka;
  const topic = `restarting-${process.pid}`;

  before(async function () {
    broker = await brokerOrSkip(this);
    await broker.createTopic(topic, { partitions: 1 });
    const records = names.map((name): OutgoingRecord => ({ topic, partition: 0, key: null, value: Buffer.from(name) }));
    await fill(broker.brokers, records);
  });

  const source = (groupId: string) => ({
    kafka: { brokers: broker.brokers, groupId },
    topics: [topic],
    value: string(),
    // Closed before the next begins, each leaves the group; none waits for this.
    sessionTimeoutMs: 60_000,
  });
  const settings = { minBackoffMs: 50, maxBackoffMs: 50, maxRestarts: FAILURES };

  const verify = async (control: RestartingControl<void>, begun: number): Promise<void> => {
    expect(control).to.include({ restarts: FAILURES, state: "running" });
    expect(begun).to.equal(FAILURES + 1);
    expect(control.assignment()).to.deep.equal([{ topic, partition: 0 }]);
    await control.drainAndShutdown();
    await control.isShutdown;
    expect(control.metrics()).to.deep.include({ assignedPartitions: 0, inFlight: 0 });
    expect(control.metrics().delivered).to.be.at.least(COUNT);
  };

  it("E-16 of plain records has one control over all runs", async () => {
    const seen = new Set<string>();
    const handle = failing();
    let begun = 0;
    const control = restarting(settings, () => {
      begun += 1;
      return plainSource({ ...source(`${topic}-plain`), startAt: "beginning" })
        .map(({ value }) => {
          handle();
          seen.add(value);
        })
        .toMat(Sink.ignore, DrainingControl.from);
    }).run();
    await until(() => seen.size === COUNT, "all records");
    await verify(control, begun);
  });

  it("E-17 of committable ones goes on from what is committed, and loses nothing", async () => {
    const seen: string[] = [];
    const handle = failing();
    let begun = 0;
    const control = restarting(settings, () => {
      begun += 1;
      return committableSource({ ...source(`${topic}-committable`), autoOffsetReset: "earliest" as const })
        .map(({ record, offset }) => {
          handle();
          seen.push(record.value);
          return offset;
        })
        .toMat(committerSink({ maxBatch: 5, maxIntervalMs: 20 }), DrainingControl.from);
    }).run();
    await until(() => new Set(seen).size === COUNT, "all records");
    await verify(control, begun);
    expect([...new Set(seen)], "in order").to.deep.equal(names);
    expect(control.report().map(({ committed }) => committed)).to.deep.equal([COUNT]);
  });
});
