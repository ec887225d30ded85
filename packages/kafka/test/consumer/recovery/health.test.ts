import {
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  restarting,
  silentLogger,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0 } from "../../support/pipelines.js";
import { until } from "../../support/until.js";
import { CODE, numbered } from "../../../src/client/codes.js";

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

  const graph = (logger?: Logger) =>
    sourceWithOffsetContext({ kafka: { ...kafka.settings, ...(logger && { logger }) }, topics: ["t"] })
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

  it("says what it waits for until it has joined its group", () =>
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

  it("logs, at growing intervals, that its group gives it nothing, and that it is a spare one", () =>
    assertAllClosed(async () => {
      const said: string[] = [];
      const say = (level: string) => (message: string) => {
        if (message.includes("its group")) said.push(`${level} ${message}`);
      };
      const logger = { ...silentLogger, info: say("info"), warn: say("warn"), error: say("error") };
      const control = graph(logger).run({ clock });
      await until(() => kafka.client.of("subscribe").length === 1, "the subscription");
      expect(String(control.explain())).to.equal(
        "consumer running, 0 partitions\nNOT_ASSIGNED: the group has not given it anything yet",
      );
      await clock.advance(9_999);
      expect(said).to.deep.equal([]);
      await clock.advance(80_000);
      expect(said.map((each) => /any partition for \d+ ms/.exec(each)?.[0])).to.deep.equal([
        "any partition for 10000 ms",
        "any partition for 30000 ms",
        "any partition for 70000 ms",
      ]);
      await kafka.client.assign();
      await clock.advance(80_000);
      expect(said.slice(3)).to.deep.equal([
        "info kafka consumer: its group has no partition for it: it has more members than partitions",
      ]);
      await kafka.client.assign(p0);
      await clock.advance(1_000_000);
      expect(said).to.have.length(4);
      await control.drainAndShutdown();
    }));

  it("shows errors that do not end the client, until something is read or they stop", () =>
    assertAllClosed(async () => {
      const control = graph().run({ clock });
      await ready(control);
      const down = new KafkaConnectorError("CLIENT_FAILED", "all down", numbered(CODE.allBrokersDown));
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

  it("shows a commit that failed, until one succeeds", () =>
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

  it("is over with the client, and says by what", () =>
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

  it("of a restarting graph goes on between two runs, and ends with the last one", () =>
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
