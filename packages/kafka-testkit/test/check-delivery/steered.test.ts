import {
  committablePartitionedSource,
  committerSink,
  DrainingControl,
  partitionedSourceWithOffsetContext,
  restarting,
  string,
} from "@millrace/kafka";
import { checkDelivery, type CheckDeliveryOptions, type DeliveryPipeline } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { caught } from "./support/caught.js";
import { copying, effecting, explicit, followed, offsetOf, output, working } from "./support/pipelines.js";

const inOrder: DeliveryPipeline = (world) =>
  explicit(world)
    .mapAsync(4, working(world))
    .map(offsetOf)
    .toMat(committerSink({ maxBatch: 2 }), DrainingControl.from);

/** What was done once is not done again, and yet its offset is committed again. */
const onceOnly: DeliveryPipeline = (world) => {
  const done = new Set<string>();
  return explicit(world)
    .mapAsync(1, async (message) => {
      if (!done.has(message.record.value)) await world.effect(message.record.value);
      done.add(message.record.value);
      return message.offset;
    })
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);
};

const partitions: DeliveryPipeline = (world) =>
  committablePartitionedSource({
    kafka: world.kafka,
    topics: [world.input],
    value: string(),
    restartBackoff: { minMs: 50, maxMs: 1000 },
  })
    .mapAsyncUnordered(10, async ({ source }) => {
      const stream = source.mapAsync(2, working(world)).map(offsetOf);
      await stream.runWith(committerSink({ maxBatch: 1 }), { clock: world.clock }).catch(() => undefined);
    })
    .toMat(Sink.ignore, DrainingControl.from);

const followedPartitions: DeliveryPipeline = (world) =>
  partitionedSourceWithOffsetContext({
    kafka: world.kafka,
    topics: [world.input],
    value: string(),
    restartBackoff: { minMs: 50, maxMs: 1000 },
  })
    .mapAsyncUnordered(10, async ({ source }) => {
      const stream = source.mapAsyncUnordered(4, effecting(world));
      await stream
        .toMat(committerSink({ maxBatch: 1 }), (_, done) => done)
        .run({ clock: world.clock })
        .catch(() => undefined);
    })
    .toMat(Sink.ignore, DrainingControl.from);

const again: DeliveryPipeline = (world) =>
  restarting({ minBackoffMs: 20, maxBackoffMs: 500, random: () => world.random() }, () =>
    explicit(world)
      .mapAsync(4, working(world))
      .map(offsetOf)
      .toMat(committerSink({ maxBatch: 2 }), DrainingControl.from),
  );

const unordered: DeliveryPipeline = (world) =>
  followed(world)
    .mapAsyncUnordered(4, effecting(world))
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);

const copy: DeliveryPipeline = (world) =>
  followed(world)
    .map((record) => output(world, { record }))
    .via(copying(world))
    .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from);

type Row = readonly [name: string, pipeline: DeliveryPipeline, options?: Partial<CheckDeliveryOptions>];

const STEERED: readonly Row[] = [
  ["in order", inOrder],
  ["unordered", unordered],
  ["of two processes", unordered, { processes: 2 }],
  ["that writes elsewhere", copy],
  ["of partitions whose streams fail", partitions, { effectErrorRate: 0.1 }],
  ["of partitions with context whose streams fail", followedPartitions, { effectErrorRate: 0.1 }],
  ["that restarts", again, { effectErrorRate: 0.1 }],
];

const FAILING: readonly Row[] = [
  ["that restarts", again, { effectErrorRate: 0.2 }],
  ["that restarts, of two processes", again, { effectErrorRate: 0.1, processes: 2 }],
  ["of partitions whose streams fail", partitions, { effectErrorRate: 0.2 }],
  ["of partitions whose streams fail, of two processes", partitions, { effectErrorRate: 0.1, processes: 2 }],
  ["of partitions with context whose streams fail", followedPartitions, { effectErrorRate: 0.2 }],
];

const HOLES: readonly Row[] = [
  ["in order", inOrder],
  ["unordered", unordered],
  ["of partitions whose streams fail", partitions, { effectErrorRate: 0.1 }],
];

describe("checkDelivery", function () {
  this.timeout(60_000);
  const base = { guarantee: "at-least-once", exhaustive: false, runs: 20, records: 8 } as const;

  it("finds a pipeline that does not do again what is replayed", async () => {
    const error = await caught(onceOnly, { ...base, steered: true, runs: 200 });
    expect(error.code, error.message).to.equal("UNSAFE_COMMIT");
    expect(error.message).to.include("was not begun again");
  });

  describe("loses nothing when a user pauses, seeks and replays, and members come and go, of a pipeline", () => {
    for (const [name, pipeline, options] of STEERED) {
      it(name, async () => {
        const before = liveRuns();
        await checkDelivery(pipeline, { ...base, steered: true, ...options });
        expect(liveRuns(), "running streams").to.equal(before);
      });
    }
  });

  describe("loses nothing of a pipeline", () => {
    for (const [name, pipeline, options] of FAILING) {
      it(name, async () => {
        const report = await checkDelivery(pipeline, { ...base, ...options });
        expect(report.duplicates.max).to.be.greaterThan(0);
      });
    }
  });

  describe("loses nothing of an input with holes, of a pipeline", () => {
    for (const [name, pipeline, options] of HOLES) {
      it(name, async () => {
        await checkDelivery(pipeline, { ...base, steered: true, holes: true, ...options });
      });
    }
  });
});
