import {
  committablePartitionedSource,
  committerSink,
  DrainingControl,
  plainPartitionedManualOffsetSource,
  string,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { until } from "../../support/until.js";

describe("Alpakka's weak points in sources of partitions", () => {
  let kafka: FakeKafka;
  let gate: Gate;
  beforeEach(() => {
    kafka = new FakeKafka();
    gate = new Gate();
  });
  afterEach(() => kafka.verify());

  const settings = () => ({ kafka: kafka.settings, topics: ["t"], value: string() });

  it("Alpakka 7.3-9: a partition whose stream failed comes again after a while, with what was in flight", () =>
    assertAllClosed(async () => {
      const begun: number[] = [];
      const seen: number[] = [];
      const control = committablePartitionedSource({ ...settings(), restartBackoff: { minMs: 40, maxMs: 1000 } })
        .mapAsyncUnordered(10, async ({ source }) => {
          begun.push(performance.now());
          const failing = begun.length <= 2;
          await source
            .mapAsync(4, async ({ record, offset }) => {
              seen.push(record.offset);
              if (failing) await gate.pass(`${begun.length}: ${record.offset}`);
              return offset;
            })
            .runWith(committerSink({ maxBatch: 1 }))
            .catch(() => undefined);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.onSeek = ([position]) => {
        setImmediate(() => kafka.client.give(records("t", 0, position!.offset, 4 - position!.offset)));
      };
      kafka.client.give(records("t", 0, 0, 4));
      for (const life of [1, 2]) {
        await until(() => gate.started.includes(`${life}: 3`), "all to be in flight");
        gate.fail(`${life}: 2`, new Error("handler"));
      }
      await until(() => seen.length === 12, "the third time");
      expect(seen).to.deep.equal([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
      const [first = 0, second = 0, third = 0] = begun;
      expect(second - first).to.be.at.least(40);
      // Nothing was finished in between, so the wait is doubled.
      expect(third - second).to.be.at.least(80);
      gate.open(...gate.started);
      await until(() => kafka.client.commits.at(-1)?.positions[0]?.offset === 4, "the commit");
      await control.drainAndShutdown();
    }));

  it("Alpakka 7.3-10 (#1038): partitions that are kept are neither asked for nor sought when others come", () =>
    assertAllClosed(async () => {
      const asked: string[] = [];
      const seen: string[] = [];
      const control = plainPartitionedManualOffsetSource({
        ...settings(),
        getOffsetsOnAssign: (partitions) => {
          asked.push(partitions.map(({ partition }) => partition).join());
          return partitions.map((each) => ({ ...each, offset: 0 }));
        },
      })
        .mapAsyncUnordered(10, ({ source }) =>
          source
            .mapAsync(1, async ({ partition, offset }) => {
              await gate.pass(`${partition}@${offset}`);
              seen.push(`${partition}@${offset}`);
            })
            .runWith(Sink.ignore),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => gate.started.includes("0@0"), "one in flight, two waiting");
      await kafka.client.assign(p1);
      await kafka.client.assign();
      await kafka.client.revoke(p1);
      for (let offset = 0; offset < 3; offset++) {
        await until(() => gate.started.includes(`0@${offset}`), `record ${offset}`);
        gate.open(`0@${offset}`);
      }
      await until(() => seen.length === 3, "all");
      expect(asked.filter((each) => each !== "")).to.deep.equal(["0", "1"]);
      expect(kafka.client.of("seek")).to.deep.equal([]);
      expect(seen).to.deep.equal(["0@0", "0@1", "0@2"]);
      await control.drainAndShutdown();
    }));
});
