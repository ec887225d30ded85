import { bytes, committerSink, DrainingControl, sourceWithOffsetContext } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { Gate } from "../../../../test/support/gate.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";

describe("the key of a record that holds back the commit", () => {
  it("is not shown where it is bytes, which would be kept for it alone", () =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      const gate = new Gate();
      const control = sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"], key: bytes(), value: bytes() })
        .mapAsync(4, ({ offset }) => gate.pass(`${offset}`))
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => gate.started.length === 1, "one started");
      const blockedBy = control.explain().partitions[0]?.blockedBy;
      expect(blockedBy).to.include({ offset: 0, stage: "mapAsync" });
      expect(blockedBy?.key).to.equal(undefined);
      gate.open("0");
      await control.drainAndShutdown();
      kafka.verify();
    }));
});
