import { committablePartitionedSource, committerSink, DrainingControl, string } from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";

describe("a partition whose stream waits for its restart", () => {
  let kafka: FakeKafka;
  let seen: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    seen = [];
  });
  afterEach(() => kafka.verify());

  const run = (fails: (name: string) => boolean, minMs = 20): DrainingControl<void> =>
    committablePartitionedSource({
      kafka: kafka.settings,
      topics: ["t"],
      value: string(),
      restartBackoff: { minMs, maxMs: 60_000 },
    })
      .mapAsyncUnordered(10, ({ source }) =>
        source
          .map(({ record, offset }) => {
            const name = `${record.partition}@${record.offset}`;
            seen.push(name);
            if (fails(name)) throw new Error("handler");
            return offset;
          })
          .runWith(committerSink({ maxBatch: 1 }))
          .catch(() => void seen.push("failed")),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  it("refuses to be moved, and begins again at its first unfinished record", () =>
    assertAllClosed(async () => {
      let poison = true;
      const control = run((name) => poison && name === "0@1");
      await kafka.client.assign(p0, p1);
      kafka.client.onSeek = ([position]) => {
        setImmediate(() => kafka.client.give(records("t", 0, position!.offset, 2)));
      };
      kafka.client.give(records("t", 0, 0, 2));
      await until(() => seen.includes("failed"), "the failure");
      expect(await rejectionOf(control.seek([{ ...p0, offset: 7 }]))).to.include({ code: "SEEK_FAILED" });
      poison = false;
      await until(() => seen.includes("0@2"), "what is behind the failure");
      await control.seek([{ ...p0, offset: 7 }]);
      await until(() => seen.includes("0@8"), "what is behind the seek");
      const again = seen.slice(seen.lastIndexOf("failed"));
      expect(again).to.deep.equal(["failed", "0@1", "0@2", "0@7", "0@8"]);
      await control.drainAndShutdown();
    }));

  it("has its restart forgotten when the consumer is drained", () =>
    assertAllClosed(async () => {
      const control = run(() => true, 60_000);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => seen.includes("failed"), "the failure");
      const report = await control.drainAndShutdown();
      expect(report).to.include({ delivered: 1, abandoned: 1, expectedReplays: 1 });
    }));
});
