import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  silentLogger,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";

const SESSION = "Set `sessionTimeoutMs` within the brokers' `group.min.session.timeout.ms`";

describe("a consumer on a real broker reports, with the remedy,", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let warned: string[];

  before(async function () {
    kafka = await brokerOrSkip(this);
  });
  beforeEach(() => (warned = []));

  const run = (topic: string, settings: Partial<ConsumerSettings> = {}) => {
    const textOf = (fields?: object): string => (fields && "error" in fields ? (fields.error as Error).message : "");
    const say = (message: string, fields?: object): void => void warned.push(`${message} ${textOf(fields)}`);
    const logger = { ...silentLogger, warn: say, error: say };
    const consumer = { kafka: { brokers: kafka.brokers, groupId: topic, logger }, topics: [topic], value: string() };
    return sourceWithOffsetContext({ ...consumer, ...settings })
      .toMat(committerSink(), DrainingControl.from)
      .run();
  };
  const newTopic = (): string => `told-${Math.random().toString(36).slice(2)}`;

  it("a topic that does not exist, in the log, in health() and in explain(), and goes on once there is one", async () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/guide/get-started.md"), "utf8");
    const [, text = ""] =
      /^\| the topic does not exist \| `kafka consumer: poll failed, trying again: (.*)` \|$/m.exec(page) ?? [];
    const topic = newTopic();
    const remedy = text.replace("orders", topic);
    expect(remedy).to.include(topic);
    const control = run(topic);
    await eventually("it is told", () => warned.some((each) => each.includes(remedy)), 20_000);
    await eventually("health", () => String(control.explain()).includes(`CLIENT_ERROR: ${remedy}`), 20_000);
    expect(control.health()).to.include({ live: true, ready: false });
    await kafka.createTopic(topic, { partitions: 1 });
    await eventually("it has the partition", () => control.assignment().length === 1, 30_000);
    await control.drainAndShutdown();
  });

  // The brokers of this kit take a session from a second on.
  for (const [what, sessionTimeoutMs] of [
    ["shorter", 90],
    ["longer", 3_600_000],
  ] as const) {
    it(`a session ${what} than the broker takes, and fails`, async () => {
      const topic = newTopic();
      await kafka.createTopic(topic, { partitions: 1 });
      const control = run(topic, { sessionTimeoutMs, properties: { "max.poll.interval.ms": 3_600_000 } });
      const failure = await control.streamCompletion.then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.include({ code: "POLL_FAILED", clientCode: 26 }).and.property("message").to.include(SESSION);
      expect(String(control.explain())).to.include(SESSION);
      expect(warned.join("\n")).to.include(SESSION);
      await control.isShutdown.catch(() => undefined);
    });
  }
});
