/** Bugs that peers have published and that show on a real broker within seconds; `*.regressions.test.ts` of `packages/kafka` have all. */
import {
  type ConsumerSettings,
  type Control,
  committerSink,
  DrainingControl,
  type FollowedSettings,
  partitionedSourceWithOffsetContext,
  plainSource,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { Gate } from "../support/gate.js";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const STEP_MS = 20_000;
const FOR_EVER_MS = 60_000;

describe("bugs of peers, on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let topic: string;
  let gate: Gate;
  let count = 0;
  const running: { shutdown(): Promise<unknown> }[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
  });
  beforeEach(() => {
    topic = `regressions-${process.pid}-${count++}`;
    gate = new Gate();
  });
  afterEach(async () => {
    for (const name of gate.started) gate.fail(name, new Error("the test is over"));
    await Promise.all(running.splice(0).map((control) => control.shutdown().catch(() => undefined)));
    await eventually("every client is closed", () => liveRuns() === 0);
  });

  const write = (partitions: number, records: number): Promise<void> =>
    fill(
      kafka.brokers,
      Array.from({ length: partitions * records }, (_, index) => ({
        topic,
        partition: index % partitions,
        key: null,
        value: Buffer.from("v"),
      })),
    );
  const settings = () => ({
    kafka: { brokers: kafka.brokers, groupId: topic },
    topics: [topic],
    value: string(),
    autoOffsetReset: "earliest" as const,
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 100,
  });
  const committed = (partitions: number): Promise<readonly number[]> =>
    committedPositions(kafka.brokers, topic, topic, partitions);

  /** Works on records as the gate lets it, in any order, and commits at once. */
  function work(more: Partial<FollowedSettings<string, string>> = {}, parallelism = 10) {
    const control = sourceWithOffsetContext({ ...settings(), ...more })
      .mapAsyncUnordered(parallelism, ({ partition, offset }) => gate.pass(`${partition}@${offset}`))
      .toMat(committerSink({ maxIntervalMs: 20 }), DrainingControl.from)
      .run();
    running.push({ shutdown: () => control.drainAndShutdown({ timeoutMs: 1 }) });
    return control;
  }
  /** A member that takes its share and commits nothing. */
  function idle(more: Partial<ConsumerSettings> = {}): Control {
    const control = plainSource({ ...settings(), ...more })
      .toMat(Sink.ignore, Keep.left)
      .run();
    running.push(control);
    return control;
  }
  const started = (...names: readonly string[]): Promise<void> =>
    eventually(`${names.join()} to begin`, () => names.every((name) => gate.started.includes(name)), STEP_MS);
  const share = (...members: readonly { assignment(): readonly unknown[] }[]): Promise<void> =>
    eventually("one partition each", () => members.every((each) => each.assignment().length === 1), STEP_MS);

  it("PC #826: records that were read and never run are not committed when the consumer closes", async () => {
    await kafka.createTopic(topic, { partitions: 1 });
    await write(1, 6);
    const control = work({}, 2);
    await started("0@0", "0@1");
    gate.open("0@0");
    await eventually("its commit", async () => (await committed(1))[0] === 1, STEP_MS);
    const failure = await control.drainAndShutdown({ timeoutMs: 50 }).catch((error: unknown) => error);
    expect(failure).to.include({ code: "DRAIN_INCOMPLETE" });
    expect(await committed(1)).to.deep.equal([1]);
  });

  it("RP Connect #4009: what ends after its partition was revoked is not committed", async () => {
    await kafka.createTopic(topic, { partitions: 2 });
    await write(2, 3);
    const properties = { "partition.assignment.strategy": "cooperative-sticky" };
    const one = work({ revokeTimeoutMs: 1, properties });
    const names = ["0@0", "0@1", "0@2", "1@0", "1@1", "1@2"];
    await started(...names);
    await share(one, idle({ properties }));
    const kept = one.assignment()[0]?.partition as number;
    gate.open(...names);
    await eventually("the commit of what stayed", async () => (await committed(2))[kept] === 3, STEP_MS);
    await one.drainAndShutdown();
    expect(await committed(2)).to.deep.equal(kept === 0 ? [3, 0] : [0, 3]);
  });

  it("zio #1132: a revocation does not wait for a partition's stream that was never started", async () => {
    await kafka.createTopic(topic, { partitions: 2 });
    await write(2, 3);
    const one = partitionedSourceWithOffsetContext({ ...settings(), revokeTimeoutMs: FOR_EVER_MS })
      .toMat(Sink.ignore, Keep.left)
      .run();
    running.push(one);
    await eventually("both partitions", () => one.assignment().length === 2, STEP_MS);
    await share(one, idle());
  });

  it("Alpakka 7.3-14: partitions go to another member only once what was in flight has ended and is committed", async () => {
    await kafka.createTopic(topic, { partitions: 2 });
    await write(2, 3);
    const one = work({ revokeTimeoutMs: 10_000 });
    const names = ["0@0", "0@1", "0@2", "1@0", "1@1", "1@2"];
    await started(...names);
    const seen: string[] = [];
    const two = plainSource(settings())
      .map(({ partition, offset }) => void seen.push(`${partition}@${offset}`))
      .toMat(Sink.ignore, Keep.left)
      .run();
    running.push(two);
    await eventually("the revocation to begin", () => one.explain().partitions[0]?.state === "revoking", STEP_MS);
    expect(two.assignment()).to.deep.equal([]);
    gate.open(...names);
    await share(one, two);
    await write(2, 1);
    const given = two.assignment()[0]?.partition as number;
    await eventually("the next record", () => seen.length > 0, STEP_MS);
    expect(seen).to.deep.equal([`${given}@3`]);
  });
});
