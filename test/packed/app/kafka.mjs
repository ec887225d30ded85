// Records of one copy's sources, on both surfaces, through flows and committers of another.
import assert from "node:assert/strict";
import * as kafka from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock } from "@millrace/streams-testkit";
import * as flows from "flows";

const N = 40;
const copies = [kafka, flows.kafka];
const { Flow } = flows.streams;

const consume = async (build) => {
  const clock = virtualClock();
  const cluster = new SimulatedKafka({ seed: 7, clock });
  cluster.createTopic("t", 2);
  for (const partition of [0, 1]) {
    cluster.append("t", partition, ...Array.from({ length: N / 2 }, (_, n) => ({ value: `${partition}-${n}` })));
  }
  const seen = new Set();
  const control = build(
    { kafka: { brokers: "simulated", groupId: "g", driver: cluster.driver }, topics: ["t"], value: kafka.string() },
    (record) => seen.add(record.value),
  ).run({ clock });
  control.streamCompletion.catch(() => undefined);
  for (let step = 0; step < 600 && seen.size < N; step++) await clock.advance(100);
  const [report] = await Promise.all([control.drainAndShutdown(), clock.advance(20_000)]);
  assert.equal(seen.size, N);
  for (const { partition, committed } of report.partitions) assert.equal(committed, N / 2, `partition ${partition}`);
  assert.equal(report.processed, N);
  assert.equal(report.expectedReplays, 0);
};

for (const A of copies) {
  for (const X of copies) {
    for (const B of copies) {
      await consume((settings, work) =>
        A.committableSource(settings)
          .via(X.groupByPartition((group) => group.mapAsync(4, async ({ record, offset }) => (work(record), offset))))
          .batch(10, X.CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
          .toMat(B.committerSink({ maxIntervalMs: 10 }), kafka.DrainingControl.from),
      );
      await consume((settings, work) =>
        A.sourceWithOffsetContext(settings)
          .via(
            X.groupByPartitionWithContext((group) => group.mapAsyncUnordered(4, async (record) => void work(record))),
          )
          .toMat(B.committerSink({ maxIntervalMs: 10 }), kafka.DrainingControl.from),
      );
    }
  }
}

const groups = new Set();
await consume((settings, work) =>
  kafka
    .sourceWithOffsetContext(settings)
    .via(
      flows.kafka.groupByPartitionWithContext((group) => {
        return group.statefulMap(
          () => ({}),
          (state, record) => (groups.add(state), work(record), [state, record]),
        );
      }),
    )
    .toMat(kafka.committerSink({ maxIntervalMs: 10 }), kafka.DrainingControl.from),
);
assert.equal(groups.size, 2, "one group for each partition");

// Offsets that come out of order are refused by a committer of another copy, too.
const unsafe = kafka
  .committableSource({ kafka: { brokers: "none", groupId: "g" }, topics: ["t"] })
  .via(Flow.of().mapAsyncUnordered(2, async ({ offset }) => offset))
  .toMat(flows.kafka.committerSink(), kafka.DrainingControl.from);
assert.throws(
  () => unsafe.run(),
  (error) =>
    error instanceof flows.kafka.UnsafeGraphError &&
    error instanceof kafka.KafkaConnectorError &&
    !(error instanceof kafka.DrainError),
);
