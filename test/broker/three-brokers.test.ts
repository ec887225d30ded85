import {
  DrainingControl,
  plainPartitionedSource,
  plainSource,
  producerSink,
  string,
  type ConsumerRecord,
} from "@millrace/kafka";
import type { LocalBroker, LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { startCopy } from "./support/copy-job.js";
import { OutputWatch } from "./support/output-watch.js";
import { chosenSeed, randomNumbers } from "./support/random.js";
import { keyOfSequence, partitionOf, sequencedRecord } from "./support/sequences.js";
import { SteadyLoad } from "./support/steady-load.js";
import { committedPositions } from "./support/topics.js";

const FEW = 4;
const MANY = 12;
/** Records a second. */
const RATE = 1500;
/** From the end of what was done to the brokers until every partition is copied again. */
const RECOVERY_MS = 60_000;
/** For B-01 and B-02. */
const MESSAGES = 10_000;

describe("three brokers, of which one after the other goes", function () {
  this.timeout(300_000);
  let kafka: LocalKafka;
  let copy: DrainingControl<void> | undefined;

  before(async function () {
    kafka = await ownBrokersOrSkip(this, { brokers: 3 });
  });

  after(async () => {
    await copy?.drainAndShutdown({ timeoutMs: 5000 }).catch(() => undefined);
    // Undefined when the hook above has skipped.
    await (kafka as LocalKafka | undefined)?.stop();
  });

  it("copies everything while leaders and controllers are killed, all are restarted, and the topic grows", async () => {
    const { brokers } = kafka;
    const [from, to] = ["copied", "copy"];
    await kafka.createTopic(from, { partitions: FEW });
    await kafka.createTopic(to, { partitions: MANY, configs: { "message.timestamp.type": "LogAppendTime" } });
    await using load = await SteadyLoad.start({
      brokers,
      partitions: FEW,
      rate: RATE,
      recordOf: (partition, sequence) => sequencedRecord(from, partition, sequence),
    });
    await using watch = await OutputWatch.start({
      brokers,
      topic: to,
      partitions: MANY,
      objection: (partition, key, value) =>
        key === keyOfSequence(partitionOf(value).sequence) ? undefined : `${key} in ${partition} with ${value}`,
    });
    copy = startCopy({
      brokers,
      groupId: to,
      from,
      to,
      properties: {
        "session.timeout.ms": 15_000,
        "heartbeat.interval.ms": 500,
        "topic.metadata.refresh.interval.ms": 1000,
      },
    });
    const ended = copy.streamCompletion.then(() => Promise.reject(new Error("The copy ended by itself.")));
    ended.catch(() => undefined);
    const within = (what: string, isSo: () => boolean): Promise<void> =>
      Promise.race([eventually(what, isSo, RECOVERY_MS), ended]);

    const lines: string[] = [];
    const during = async (what: string, act: () => Promise<unknown>): Promise<void> => {
      const began = Date.now();
      await act();
      const now = Date.now();
      const wanted = load.acknowledged;
      await within(`${what}: all is copied`, () => watch.has(wanted) && watch.movedSince(now, wanted.length));
      const gap = watch.longestGap(began, Date.now());
      const repeated = watch.repeated(began, Date.now());
      lines.push(`  ${what.padEnd(24)} ${String(gap).padStart(6)} ms ${String(repeated).padStart(8)}`);
    };
    const goesAndComes = async (what: string, broker: LocalBroker): Promise<void> => {
      await during(`${what} is killed`, () => broker.kill());
      await during(`${what} comes back`, async () => {
        await broker.start();
        await kafka.awaitInSync();
      });
    };

    await within("the first copies", () => watch.has(load.acknowledged.map(() => 100)));
    await goesAndComes("a leader", await kafka.leader(from, 0));
    await goesAndComes("the controller", await kafka.controller());
    await during("all restarted in turn", async () => {
      for (const id of [1, 2, 3]) {
        await kafka.broker(id).restart();
        await kafka.awaitInSync();
      }
    });
    await during(`${FEW} partitions become ${MANY}`, async () => {
      await kafka.addPartitions(from, MANY);
      load.grow(MANY);
      watch.expect(MANY);
    });

    const ends = await load.stop();
    await within("the rest is copied", () => watch.has(ends));
    await copy.drainAndShutdown();
    process.stderr.write(
      [
        `${"three brokers".padEnd(26)} recovered repeated`,
        ...lines,
        `copied ${ends.reduce((sum, end) => sum + end)}, lost 0, repeated ${watch.check.duplicates}\n`,
      ].join("\n"),
    );
    expect(watch.objections).to.deep.equal([]);
    expect(watch.check).to.deep.include({ violations: [], next: ends });
    expect(await committedPositions(brokers, to, from, MANY)).to.deep.equal(ends);
  });

  it("B-01 B-02 lose no message to plain and partitioned sources when any broker stops at half", async () => {
    const topic = "failover";
    await kafka.createTopic(topic, { partitions: FEW });
    const stopped = kafka.broker(1 + Math.floor(3 * randomNumbers(chosenSeed())()));
    const count = (seen: Map<string, number>) => (record: ConsumerRecord<string, string>) =>
      void seen.set(record.value, (seen.get(record.value) ?? 0) + 1);
    const settings = (groupId: string) =>
      ({
        kafka: { brokers: kafka.brokers, groupId },
        topics: [topic],
        value: string(),
        autoOffsetReset: "earliest",
        sessionTimeoutMs: 6000,
      }) as const;
    const [plain, partitioned] = [new Map<string, number>(), new Map<string, number>()];
    const controls = [
      plainSource(settings("plain"))
        .toMat(Sink.forEach(count(plain)), DrainingControl.from)
        .run(),
      plainPartitionedSource(settings("partitioned"))
        .mapAsync(FEW * 4, ({ source }) => source.runWith(Sink.forEach(count(partitioned))))
        .toMat(Sink.ignore, DrainingControl.from)
        .run(),
    ];
    let produced = 0;
    const producing = Source.from(Array.from({ length: MESSAGES }, (_, index) => String(index)))
      .throttle({ elements: 250, perMs: 100 })
      .map((value) => {
        produced += 1;
        return { topic, key: value, value };
      })
      .toMat(producerSink({ kafka: { brokers: kafka.brokers }, value: string() }), Keep.right)
      .run();
    const ended = Promise.race(controls.map(({ streamCompletion }) => streamCompletion)).then(() =>
      Promise.reject(new Error("A source ended by itself.")),
    );
    ended.catch(() => undefined);
    await Promise.race([eventually("half is produced", () => produced >= MESSAGES / 2, RECOVERY_MS), producing, ended]);
    await stopped.stop();
    await producing;
    const all = (): boolean => [plain, partitioned].every(({ size }) => size === MESSAGES);
    await Promise.race([eventually("all arrive", all, RECOVERY_MS), ended]);
    await Promise.all(controls.map((control) => control.drainAndShutdown()));
    const repeated = [plain, partitioned].map((seen) => [...seen.values()].reduce((sum, times) => sum + times - 1, 0));
    process.stderr.write(
      `broker ${stopped.id} stopped at half of ${MESSAGES}: lost 0, repeated ${repeated[0]} (plain), ${repeated[1]} (partitioned)\n`,
    );
    await stopped.start();
  });
});
