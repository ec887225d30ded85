import {
  committableSource,
  committerSink,
  DrainingControl,
  type OutgoingRecord,
  plainPartitionedManualOffsetSource,
  plainSource,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";
import { fill } from "./support/topics.js";

const WAIT_MS = 30_000;
const COUNT = 100;

const until = async (holds: () => boolean, what: string): Promise<void> => {
  for (const deadline = Date.now() + WAIT_MS; !holds(); ) {
    if (Date.now() > deadline) throw new Error(`expected ${what} within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** Records of one partition, a second apart from `1000 * (1 + offset)` ms on. */
const records = (topic: string, partition: number): OutgoingRecord[] =>
  Array.from({ length: COUNT }, (_, offset) => ({
    topic,
    partition,
    key: null,
    value: Buffer.from(`${partition}@${offset}`),
    timestamp: 1000 * (1 + offset),
  }));

describe("positions of a consumer, on a real broker", function () {
  this.timeout(90_000);
  let broker: LocalKafka;
  const topic = `positions-${process.pid}`;
  let group = 0;

  before(async function () {
    broker = await brokerOrSkip(this);
    await broker.createTopic(topic, { partitions: 2 });
    await fill(broker.brokers, [...records(topic, 0), ...records(topic, 1)]);
  });

  const kafka = () => ({ brokers: broker.brokers, groupId: `${topic}-${group++}` });
  const settings = () => ({ kafka: kafka(), topics: [topic], value: string() });

  it("Q-14 Q-25 begin at a timestamp and end at one, or at the end of the partitions", async () => {
    const middle = await plainSource({
      ...settings(),
      startAt: { timestamp: 51_000 },
      until: { timestamp: 61_000 },
    }).runWith(Sink.toArray());
    expect(middle.map(({ partition, offset }) => `${partition}@${offset}`)).to.have.members(
      [0, 1].flatMap((partition) => Array.from({ length: 10 }, (_, index) => `${partition}@${50 + index}`)),
    );
    const all = await plainSource({ ...settings(), startAt: "beginning", until: "end" }).runWith(Sink.toArray());
    expect(all).to.have.length(2 * COUNT);
    const none = await plainSource({ ...settings(), startAt: "end", until: "end" }).runWith(Sink.toArray());
    expect(none).to.deep.equal([]);
  });

  it("P-31 begin where they are kept, before anything else is read", async () => {
    const seen: string[] = [];
    const control = plainPartitionedManualOffsetSource({
      ...settings(),
      getOffsetsOnAssign: (partitions) => partitions.map((each) => ({ ...each, offset: 51 })),
    })
      .mapAsyncUnordered(2, ({ source }) => source.map(({ value }) => void seen.push(value)).runWith(Sink.ignore))
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
    await until(() => seen.length === 2 * (COUNT - 51), "all from 51 on");
    expect(seen).to.include.members(["0@51", "1@51"]).and.not.include("0@50");
    await control.drainAndShutdown();
  });

  it("move by seek and replay, forward and back, under load and while paused", async () => {
    const seen: string[] = [];
    const control = committableSource({ ...settings(), autoOffsetReset: "earliest" })
      .map(({ record, offset }) => {
        seen.push(record.value);
        return offset;
      })
      .toMat(committerSink({ maxBatch: 10, maxIntervalMs: 20 }), DrainingControl.from)
      .run();
    await until(() => seen.length === 2 * COUNT, "all records");
    seen.length = 0;
    await control.seek([{ topic, partition: 0, offset: 90 }]);
    await until(() => seen.length === 10, "the last ten of a partition");
    expect(seen).to.deep.equal(Array.from({ length: 10 }, (_, index) => `0@${90 + index}`));
    seen.length = 0;
    control.pause();
    await until(() => control.explain().partitions.every(({ state }) => state === "pausedByUser"), "a pause");
    const replayed = await control.replayFrom(96_000);
    expect(replayed.map(({ offset }) => offset)).to.deep.equal([95, 95]);
    const { polls } = control.metrics();
    await until(() => control.metrics().polls > polls + 5, "polls");
    expect(seen).to.deep.equal([]);
    control.resume();
    await until(() => seen.length === 10, "the replayed ones");
    await until(() => control.metrics().uncommitted === 0 && control.metrics().inFlight === 0, "commits");
    expect((await control.lag()).map(({ position, lag }) => [position, lag])).to.deep.equal([
      [COUNT, 0],
      [COUNT, 0],
    ]);
    await control.drainAndShutdown();
  });

  it("Q-27 begin at the beginning of a topic that does not exist yet", async () => {
    const missing = `${topic}-missing`;
    const control = plainSource({ kafka: kafka(), assignment: [{ topic: missing, partition: 0, timestamp: 1 }] })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
    await until(() => control.assignment().length === 1, "the assignment");
    await control.drainAndShutdown();
  });
});
