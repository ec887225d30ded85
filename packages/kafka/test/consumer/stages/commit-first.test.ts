import { atMostOnceSource, DrainingControl, KafkaConnectorError, string } from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";
import { numbered } from "../../../src/client/codes.js";

describe("atMostOnceSource", () => {
  let kafka: FakeKafka;
  let seen: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    seen = [];
  });
  afterEach(() => kafka.verify());

  const run = (take = 1000) =>
    atMostOnceSource({ kafka: kafka.settings, topics: ["t"], value: string() })
      .take(take)
      .map(({ partition, offset }) => void seen.push(`${partition}@${offset}`))
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  it("delivers nothing when the commit fails", () =>
    assertAllClosed(async () => {
      const failure = new KafkaConnectorError("COMMIT_FAILED", "refused");
      const control = run();
      kafka.client.onCommit = (commit) => commit.fail(failure);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
      expect(seen).to.deep.equal([]);
    }));

  it("delivers nothing of a partition that was lost before it was committed", () =>
    assertAllClosed(async () => {
      const control = run();
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 1)]);
      await until(() => kafka.client.commits.length === 1, "a commit");
      kafka.client.lose(p0);
      kafka.client.commits[0]?.fail(new KafkaConnectorError("COMMIT_FAILED", "rebalanced", numbered(22)));
      kafka.client.onCommit = (commit) => commit.acknowledge();
      await until(() => seen.length > 0, "what was kept");
      expect(seen).to.deep.equal(["1@0"]);
      await control.drainAndShutdown();
    }));

  it("delivers a chunk only once it is committed", () =>
    assertAllClosed(async () => {
      const control = run();
      kafka.client.onCommit = () => undefined;
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 3));
      await until(() => kafka.client.commits.length === 1, "a commit");
      expect(seen).to.deep.equal([]);
      expect(kafka.client.commits[0]?.positions).to.deep.equal([{ ...p0, offset: 3 }]);
      kafka.client.commits[0]?.acknowledge();
      await until(() => seen.length === 3, "the records");
      kafka.client.onCommit = (commit) => commit.acknowledge();
      await control.drainAndShutdown();
    }));

  it("S-35 ends with take, and closes", () =>
    assertAllClosed(async () => {
      const control = run(5);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 9));
      await control.streamCompletion;
      await control.isShutdown;
      expect(seen).to.have.length(5);
    }));
});
