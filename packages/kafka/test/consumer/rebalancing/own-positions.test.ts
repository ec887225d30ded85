import { committerSink, DrainingControl, KafkaConnectorError, sourceWithOffsetContext } from "@millrace/kafka";
import { assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0 } from "../../support/pipelines.js";
import { until } from "../../support/until.js";
import { CODE, numbered } from "../../../src/client/codes.js";

describe("a partition that comes back", () => {
  it("waits for no answer of where the group is that does not come in time, also where brokers answer else", () =>
    assertAllClosed(async () => {
      const clock = virtualClock();
      const kafka = new FakeKafka();
      const control = sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"] })
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run({ clock });
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 2));
      await until(() => control.report()[0]?.committed === 2, "the commit");
      await kafka.client.revoke(p0);
      let asked = 0;
      kafka.client.committed = () => {
        asked += 1;
        return Promise.reject(new KafkaConnectorError("CLIENT_FAILED", "no answer", numbered(CODE.timedOut)));
      };
      await kafka.client.assign(p0);
      expect(asked).to.equal(1);
      kafka.client.give(records("t", 0, 2, 1));
      await until(() => control.report()[0]?.committed === 3, "the next commit");
      await control.drainAndShutdown();
      kafka.verify();
    }));
});
