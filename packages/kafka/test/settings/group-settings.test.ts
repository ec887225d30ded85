import {
  committableSource,
  type ConsumerSettings,
  KafkaConnectorError,
  plainSource,
  producerSink,
} from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf } from "../support/until.js";
import { parseConsumer } from "../../src/settings/parse-consumer.js";

const kafka = { brokers: "fake:9092", groupId: "g", driver: new FakeKafka() };

const refusal = (settings: Partial<ConsumerSettings>): string => {
  const error = errorOf(() => committableSource({ kafka, topics: ["t"], ...settings }));
  expect(error).to.be.instanceOf(KafkaConnectorError);
  expect(error).to.include({ code: "INVALID_SETTINGS" });
  return (error as KafkaConnectorError).message;
};

describe("settings of a group member", () => {
  const refused: readonly [what: string, settings: Partial<ConsumerSettings>, message: RegExp][] = [
    ["a heartbeat as rare as the session is long", { sessionTimeoutMs: 3000, heartbeatIntervalMs: 3000 }, /heartbeat/],
    ["a session longer than the poll interval", { sessionTimeoutMs: 400_000 }, /maxPollIntervalMs \(300000\)/],
    [
      "a revocation that outlasts the rebalance",
      {
        sessionTimeoutMs: 6000,
        maxPollIntervalMs: 8000,
        revokeTimeoutMs: 4000,
        handlerTimeoutMs: 4000,
        onRevoke: () => undefined,
      },
      /revokeTimeoutMs \(4000\)[\s\S]*below maxPollIntervalMs \(8000\)/,
    ],
    [
      "the same, where the interval is a property",
      { sessionTimeoutMs: 6000, properties: { "max.poll.interval.ms": 9000 }, revokeTimeoutMs: 9000 },
      /below maxPollIntervalMs \(9000\)/,
    ],
    ["a session timeout with the newer protocol", { groupProtocol: "consumer", sessionTimeoutMs: 6000 }, /broker's/],
    [
      "a setting and the property that says the same",
      { autoOffsetReset: "latest", properties: { "auto.offset.reset": "latest" } },
      /autoOffsetReset and the property auto\.offset\.reset/,
    ],
    ["a protocol that does not exist", { groupProtocol: "eager" as never }, /groupProtocol/],
  ];
  for (const [what, settings, message] of refused) {
    it(`refuse ${what}`, () => expect(refusal(settings)).to.match(message));
  }

  it("become the client's properties", () => {
    const { properties } = parseConsumer(
      {
        kafka,
        topics: ["t"],
        groupInstanceId: "one",
        sessionTimeoutMs: 9000,
        heartbeatIntervalMs: 1000,
        maxPollIntervalMs: 60_000,
        groupProtocol: "classic",
        autoOffsetReset: "error",
        isolationLevel: "read_uncommitted",
      },
      "committableSource",
      true,
    );
    expect(properties).to.include({
      "group.instance.id": "one",
      "session.timeout.ms": 9000,
      "heartbeat.interval.ms": 1000,
      "max.poll.interval.ms": 60_000,
      "group.protocol": "classic",
      "auto.offset.reset": "error",
      "isolation.level": "read_uncommitted",
    });
  });
});

describe("a property that librdkafka does not know", () => {
  const unknown: readonly [given: string, meant: RegExp][] = [
    ["sesion.timeout.ms", /did you mean `session\.timeout\.ms`\?/],
    ["maxPollIntervalMs", /did you mean `max\.poll\.interval\.ms`\?/],
    ["fetch_min_bytes", /did you mean `fetch\.min\.bytes`\?/],
    ["xyzzy", /librdkafka has no such property: a name of 5 characters .*Correct or remove it/],
  ];
  for (const [given, meant] of unknown) {
    it(`is refused: ${given}`, () => expect(refusal({ properties: { [given]: 1 } })).to.match(meant));
  }

  it("is refused for producers as well, and where all clients share it", () => {
    const shared = { ...kafka, properties: { "linger.msec": 5 } };
    for (const build of [() => producerSink({ kafka: shared }), () => plainSource({ kafka: shared, topics: ["t"] })]) {
      expect((errorOf(build) as Error).message).to.match(/did you mean `linger\.ms`\?/);
    }
  });
});
