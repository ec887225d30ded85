import {
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  restarting,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { CODE } from "../../src/client/rdkafka/error-codes.js";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";

describe("the health of a consumer", () => {
  const boom = new Error("boom");
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let fails: boolean;
  let committed: number;
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    fails = false;
    committed = 0;
  });
  afterEach(() => kafka.verify());

  const graph = () =>
    sourceWithOffsetContext({ kafka: kafka.settings, topics: ["t"] })
      .map(() => {
        if (fails) throw boom;
      })
      .toMat(committerSink({ maxBatch: 1, delivery: "sendAndForget" }), DrainingControl.from);
  type Running = Pick<DrainingControl<void>, "health" | "drainAndShutdown">;

  /** `live`, `ready`, and the codes of the reasons. */
  const told = (control: Running): string => {
    const { live, ready, reasons } = control.health();
    return [live ? "live" : "dead", ready ? "ready" : "not ready", ...reasons.map(({ code }) => code)].join(", ");
  };
  const handle = async (): Promise<void> => {
    kafka.client.give(records("t", 0, committed++, 1));
    await until(() => kafka.client.waiting === 0, "the record to be read");
  };
  const ready = async (control: Running): Promise<void> => {
    await until(() => kafka.client.of("subscribe").length === 1, "the subscription");
    await kafka.client.assign(p0);
    expect(told(control)).to.equal("live, ready");
  };

  it("tells what it waits for until it has joined its group", () =>
    assertAllClosed(async () => {
      let connect = (): void => undefined;
      kafka.onConsumer = (client) => {
        client.connecting = new Promise((resolve) => (connect = resolve));
      };
      const control = graph().run({ clock });
      expect(told(control)).to.equal("live, not ready, NOT_CONNECTED");
      connect();
      await until(() => kafka.client.of("subscribe").length === 1, "the subscription");
      expect(told(control)).to.equal("live, not ready, NOT_ASSIGNED");
      await kafka.client.assign();
      // A group may have nothing for it.
      expect(told(control)).to.equal("live, ready");
      await control.drainAndShutdown();
      expect(told(control)).to.equal("dead, not ready, STOPPED");
    }));

  it("tells of errors that the client outlives, until something is read or they come no more", () =>
    assertAllClosed(async () => {
      const control = graph().run({ clock });
      await ready(control);
      const down = new KafkaConnectorError("CLIENT_FAILED", "all down", { clientCode: CODE.allBrokersDown });
      kafka.client.listener.onError(down);
      expect(told(control)).to.equal("live, not ready, BROKERS_UNREACHABLE");
      await handle();
      expect(told(control)).to.equal("live, ready");
      kafka.client.failPoll(new KafkaConnectorError("POLL_FAILED", "no topic t", { retriable: true }));
      for (let tries = 0; control.health().ready && tries < 100; tries++) {
        await clock.advance(50);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(control.health().reasons).to.deep.equal([{ code: "CLIENT_ERROR", message: "no topic t" }]);
      await clock.advance(31_000);
      expect(told(control)).to.equal("live, ready");
      await control.drainAndShutdown();
    }));

  it("tells of a commit that failed, until one succeeds", () =>
    assertAllClosed(async () => {
      const control = graph().run({ clock });
      await ready(control);
      kafka.client.onCommit = (commit) => commit.fail(new KafkaConnectorError("COMMIT_FAILED", "not allowed"));
      await handle();
      await until(() => !control.health().ready, "the failure");
      expect(control.health().reasons).to.deep.equal([{ code: "COMMIT_FAILED", message: "not allowed" }]);
      kafka.client.onCommit = (commit) => commit.acknowledge();
      await handle();
      await until(() => control.health().ready, "the next commit");
      await control.drainAndShutdown();
    }));

  it("is over with the client, and tells by what", () =>
    assertAllClosed(async () => {
      const control = graph().run({ clock });
      await ready(control);
      kafka.client.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "fenced", { fatal: true }));
      expect(control.health()).to.deep.equal({
        live: false,
        ready: false,
        reasons: [{ code: "FAILED", message: "fenced" }],
      });
      await control.isShutdown.catch(() => undefined);
    }));

  it("is over with the stream", () =>
    assertAllClosed(async () => {
      const control = graph().run({ clock });
      await ready(control);
      fails = true;
      await handle();
      await control.isShutdown.catch(() => undefined);
      expect(control.health()).to.deep.equal({
        live: false,
        ready: false,
        reasons: [{ code: "FAILED", message: "boom" }],
      });
    }));

  it("of a restarting graph goes on between two incarnations, and ends with the last one", () =>
    assertAllClosed(async () => {
      const settings = { minBackoffMs: 1000, randomFactor: 0, maxRestarts: 1 };
      const control = restarting(settings, graph).run({ clock });
      const ended = control.streamCompletion.catch(() => undefined);
      await ready(control);
      fails = true;
      await handle();
      await until(() => control.state === "waiting", "the failure");
      expect(control.health()).to.deep.equal({
        live: true,
        ready: false,
        reasons: [{ code: "RESTARTING", message: "boom" }],
      });
      await until(() => kafka.client.closed, "the old client to be closed");
      await clock.advance(1000);
      await until(() => kafka.consumers.length === 2, "the next client");
      await ready(control);
      await handle();
      await ended;
      expect(told(control)).to.equal("dead, not ready, FAILED");
    }));
});
