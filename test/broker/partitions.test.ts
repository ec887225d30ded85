import {
  committablePartitionedManualOffsetSource,
  committablePartitionedSource,
  committableSource,
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  groupByPartition,
  plainSource,
  sharedConsumer,
  string,
  type TopicPartition,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const STEP_MS = 30_000;
const PARTITIONS = 4;
const COUNT = 100;

const partitionOf = ({ partition, offset }: { readonly partition: number; readonly offset: number }): string =>
  `${partition}@${offset}`;

describe("streams of partitions, on a real broker", function () {
  this.timeout(60_000);
  let broker: LocalKafka;
  let topic: string;
  let topics = 0;
  const running: DrainingControl<void>[] = [];

  before(async function () {
    broker = await brokerOrSkip(this);
  });
  afterEach(() => Promise.all(running.splice(0).map((control) => control.drainAndShutdown().catch(() => undefined))));

  const filled = async (partitions = PARTITIONS): Promise<void> => {
    topic = `partitions-${process.pid}-${topics++}`;
    await broker.createTopic(topic, { partitions });
    const all = Array.from({ length: partitions * COUNT }, (_, index) => index);
    await fill(
      broker.brokers,
      all.map((index) => ({ topic, partition: index % partitions, key: null, value: Buffer.from(String(index)) })),
    );
  };
  const settings = (): ConsumerSettings & { readonly value: ReturnType<typeof string> } => ({
    kafka: { brokers: broker.brokers, groupId: topic },
    topics: [topic],
    value: string(),
    properties: { "partition.assignment.strategy": "cooperative-sticky" },
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 100,
  });
  const start = <C extends DrainingControl<void>>(control: C): C => {
    running.push(control);
    return control;
  };
  const positions = (partitions = PARTITIONS) => committedPositions(broker.brokers, topic, topic, partitions);

  it("P-39 let the others commit when one fails, whose failure the drain rejects with", async () => {
    await filled();
    const failure = new Error("handler");
    const finished = [0, 0, 0, 0];
    const ends: { readonly partition: number; readonly error: unknown }[] = [];
    const control = committablePartitionedSource(settings())
      .mapAsyncUnordered(PARTITIONS, async ({ partition, source }) => {
        const done = source
          .map(({ record, offset }) => {
            if (partition === 0 && record.offset === 50) throw failure;
            finished[partition] = record.offset + 1;
            return offset;
          })
          .runWith(committerSink({ maxIntervalMs: 20 }));
        const note = (error?: unknown) => ends.push({ partition, error });
        done.then(() => note(), note);
        await done;
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
    const stopped = control.streamCompletion.catch((error: unknown) => error);
    expect(await stopped).to.equal(failure);
    expect(await control.drainAndShutdown().catch((error: unknown) => error)).to.equal(failure);
    await eventually("every stream has ended", () => ends.length === PARTITIONS, STEP_MS);
    expect(ends.filter(({ error }) => error !== undefined)).to.deep.equal([{ partition: 0, error: failure }]);
    const committed = await positions();
    expect(committed.slice(1)).to.deep.equal(finished.slice(1));
    expect(committed[0]).to.be.at.most(50);
  });

  it("R-03 lose nothing when a member of a group fails in the middle of reads of three records", async () => {
    await filled(2);
    const done = new Set<string>();
    const member = (failsAt: number): DrainingControl<void> => {
      let count = 0;
      const work = (place: string): void => {
        if (++count === failsAt) throw new Error("abort");
        done.add(place);
      };
      return committablePartitionedSource({ ...settings(), maxPollRecords: 3 })
        .mapAsyncUnordered(2, ({ source }) =>
          source
            .map(({ record, offset }) => {
              work(partitionOf(record));
              return offset;
            })
            .runWith(committerSink({ maxBatch: 5 })),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
    };
    const aborting = member(30);
    const other = start(member(Number.POSITIVE_INFINITY));
    const failed = aborting.streamCompletion.catch(() => undefined);
    await Promise.race([failed, eventually("all by the other", () => done.size === 2 * COUNT, STEP_MS)]);
    await eventually("all records are done", () => done.size === 2 * COUNT, STEP_MS);
    await aborting.drainAndShutdown().catch(() => undefined);
    await other.drainAndShutdown();
    expect(await positions(2)).to.deep.equal([COUNT, COUNT]);
  });

  it("P-32 P-46 are one for each partition, each with its own committer", async () => {
    await filled();
    const seen: string[] = [];
    let streams = 0;
    const control = start(
      committablePartitionedSource(settings())
        .mapAsyncUnordered(PARTITIONS, ({ source }) => {
          streams += 1;
          return source
            .mapAsync(4, async ({ record, offset }) => {
              seen.push(partitionOf(record));
              return offset;
            })
            .runWith(committerSink());
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run(),
    );
    await eventually("all records", () => seen.length === PARTITIONS * COUNT, STEP_MS);
    expect(await control.drainAndShutdown()).to.include({ processed: PARTITIONS * COUNT, expectedReplays: 0 });
    expect([streams, new Set(seen).size]).to.deep.equal([PARTITIONS, PARTITIONS * COUNT]);
    expect(await positions()).to.deep.equal([COUNT, COUNT, COUNT, COUNT]);
  });

  it("P-45 are merged into one committer", async () => {
    await filled();
    let seen = 0;
    const control = start(
      committableSource(settings())
        .via(
          groupByPartition((group) =>
            group.mapAsync(4, async ({ offset }) => {
              seen += 1;
              return offset;
            }),
          ),
        )
        .toMat(committerSink(), DrainingControl.from)
        .run(),
    );
    await eventually("all records", () => seen === PARTITIONS * COUNT, STEP_MS);
    await control.drainAndShutdown();
    expect(await positions()).to.deep.equal([COUNT, COUNT, COUNT, COUNT]);
  });

  it("P-33 P-34 P-35 P-38 go on without a gap in a member that joins, from positions kept elsewhere", async () => {
    await filled();
    const store = new Map<number, number>();
    const told: string[] = [];
    const member = (name: string) => {
      const seen: string[] = [];
      const note = (event: string) => (partitions: readonly TopicPartition[]) => {
        told.push(`${name} ${event} ${partitions.length}`);
      };
      const control = committablePartitionedManualOffsetSource({
        ...settings(),
        getOffsetsOnAssign: (partitions) =>
          partitions.map(({ topic: of, partition }) => ({ topic: of, partition, offset: store.get(partition) ?? 0 })),
        onAssign: note("assign"),
        onRevoke: note("revoke"),
        maxPollRecords: 5,
        maxBufferedRecords: 10,
      })
        .mapAsyncUnordered(PARTITIONS, ({ partition, source }) =>
          source
            .throttle({ elements: 10, perMs: 10 })
            .map(({ record, offset }) => {
              seen.push(partitionOf(record));
              store.set(partition, record.offset + 1);
              return offset;
            })
            .runWith(committerSink({ maxIntervalMs: 20 })),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      return { seen, control: start(control) };
    };
    const first = member("first");
    await eventually("some records", () => first.seen.length >= 20, STEP_MS);
    first.control.pause();
    const second = member("second");
    await eventually("the second to be assigned its share", () => told.includes("second assign 2"), STEP_MS);
    first.control.resume();
    const all = (): readonly string[] => [...first.seen, ...second.seen];
    await eventually("all records", () => all().length >= PARTITIONS * COUNT, STEP_MS);
    expect(new Set(all()).size).to.equal(PARTITIONS * COUNT);
    expect(all()).to.have.length(PARTITIONS * COUNT);
    expect(second.seen.length).to.be.at.least((PARTITIONS * COUNT) / 4);
    expect(told).to.include.members(["first assign 4", "first revoke 2"]);
  });

  it("P-47 P-48 share one client, which outlives them", async () => {
    await filled();
    await using consumer = sharedConsumer({ kafka: { brokers: broker.brokers, groupId: topic } });
    const seen: string[] = [];
    const plain = (partition: number, offset: number) =>
      start(
        plainSource({ consumer, assignment: [{ topic, partition, offset }] })
          .toMat(
            Sink.forEach((record) => void seen.push(partitionOf(record))),
            DrainingControl.from,
          )
          .run(),
      );
    const committing = (partition: number) =>
      start(
        committableSource({ consumer, assignment: [{ topic, partition, offset: "beginning" }] })
          .map(({ offset }) => offset)
          .toMat(committerSink({ maxIntervalMs: 10 }), DrainingControl.from)
          .run(),
      );
    const one = plain(0, 0);
    await eventually("the first", () => seen.length === COUNT, STEP_MS);
    const streams = [plain(1, 40), committing(2), committing(3)];
    await eventually("the second", () => seen.length === COUNT + 60, STEP_MS);
    await eventually("both commits", () => consumer.metrics().commits >= 2, STEP_MS);
    expect(consumer.metrics()).to.include({ users: 4, assignedPartitions: 4, buffered: 0 });
    expect(one.metrics()).to.include({ assignedPartitions: 1, delivered: COUNT });
    await one.drainAndShutdown();
    await one.isShutdown;
    const again = plain(0, 90);
    await eventually("the first again", () => seen.length === COUNT + 60 + 10, STEP_MS);
    await Promise.all([...streams, again].map((control) => control.drainAndShutdown()));
    expect(consumer.metrics()).to.include({ users: 0, assignedPartitions: 0 });
    expect((await positions()).slice(2)).to.deep.equal([COUNT, COUNT]);
  });
});
