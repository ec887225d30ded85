import { committableSource, committerSink, KafkaConnectorError, plainSource, producerFlow } from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf } from "../support/until.js";

const kafka = { brokers: "fake:9092", groupId: "g", driver: new FakeKafka() };

/** Settings as plain JavaScript may give them. */
const given = (settings: unknown): never => settings as never;

const refusal = (f: () => unknown): KafkaConnectorError => {
  const error = errorOf(f);
  expect(error).to.be.instanceOf(KafkaConnectorError);
  return error as KafkaConnectorError;
};

describe("settings", () => {
  const refused: readonly [what: string, settings: unknown, code: string, message: RegExp][] = [
    ["no brokers", { kafka: { groupId: "g" }, topics: ["t"] }, "INVALID_SETTINGS", /brokers/],
    ["empty brokers", { kafka: { ...kafka, brokers: "" }, topics: ["t"] }, "INVALID_SETTINGS", /brokers/],
    ["an empty list of brokers", { kafka: { ...kafka, brokers: [] }, topics: ["t"] }, "INVALID_SETTINGS", /brokers/],
    ["a number as broker", { kafka: { ...kafka, brokers: 9092 }, topics: ["t"] }, "INVALID_SETTINGS", /brokers/],
    ["no kafka", { topics: ["t"] }, "INVALID_SETTINGS", /kafka/],
    ["no subscription", { kafka }, "INVALID_SETTINGS", /exactly one of topics, topicPattern and assignment/],
    ["two subscriptions", { kafka, topics: ["t"], topicPattern: /t/ }, "INVALID_SETTINGS", /exactly one of/],
    [
      "topics and assignment",
      { kafka, topics: ["t"], assignment: [{ topic: "t", partition: 0 }] },
      "INVALID_SETTINGS",
      /exactly one of/,
    ],
    ["Q-16 no topic", { kafka, topics: [] }, "INVALID_SETTINGS", /topics/],
    ["Q-15 a bad topic name", { kafka, topics: ["a b"] }, "INVALID_SETTINGS", /letters, digits/],
    ["Q-17 a topic that is null", { kafka, topics: [null] }, "INVALID_SETTINGS", /topics/],
    [
      "Q-18 a bad topic name in an assignment",
      { kafka, assignment: [{ topic: "a b", partition: 0 }] },
      "INVALID_SETTINGS",
      /letters, digits/,
    ],
    ["a topic name that is too long", { kafka, topics: ["a".repeat(250)] }, "INVALID_SETTINGS", /topics/],
    ["a pattern as text", { kafka, topicPattern: "t" }, "INVALID_SETTINGS", /topicPattern/],
    ["a negative partition", { kafka, assignment: [{ topic: "t", partition: -1 }] }, "INVALID_SETTINGS", /partition/],
    [
      "a misspelt field of an assignment",
      { kafka, assignment: [{ topic: "t", partition: 0, offest: 1 }] },
      "INVALID_SETTINGS",
      /offest/,
    ],
    ["an unknown field of kafka", { kafka: { ...kafka, broker: "x" }, topics: ["t"] }, "INVALID_SETTINGS", /broker/],
    ["a logger that is none", { kafka: { ...kafka, logger: {} }, topics: ["t"] }, "INVALID_SETTINGS", /logger/],
    ["a driver that is none", { kafka: { ...kafka, driver: {} }, topics: ["t"] }, "INVALID_SETTINGS", /driver/],
    ["a buffer of 0", { kafka, topics: ["t"], maxBufferedRecords: 0 }, "INVALID_SETTINGS", /maxBufferedRecords/],
    ["a fraction of records", { kafka, topics: ["t"], maxPollRecords: 1.5 }, "INVALID_SETTINGS", /maxPollRecords/],
    ["a property that is a list", { kafka, topics: ["t"], properties: { a: [] } }, "INVALID_SETTINGS", /properties/],
    ["no group", { kafka: { ...kafka, groupId: undefined }, topics: ["t"] }, "GROUP_ID_MISSING", /Set groupId/],
    [
      "no group for an assignment that commits",
      { kafka: { ...kafka, groupId: undefined }, assignment: [{ topic: "t", partition: 0 }] },
      "GROUP_ID_MISSING",
      /Set groupId/,
    ],
  ];
  for (const [what, settings, code, message] of refused) {
    it(`${what}: refused when the graph is built, with a message that says why`, () => {
      const error = refusal(() => committableSource(given(settings)));
      expect(error.code).to.equal(code);
      expect(error.message)
        .to.match(/^committableSource: /)
        .and.match(message);
    });
  }

  for (const on of [true, "true", "TRUE", "t", 1, "1", "", "yes"]) {
    it(`refuses auto-commit switched on by ${JSON.stringify(on)}, for the source and for kafka, and says what to do`, () => {
      const properties = { "enable.auto.commit": on };
      for (const settings of [
        { kafka, topics: ["t"], properties },
        { kafka: { ...kafka, properties }, topics: ["t"] },
      ]) {
        const error = refusal(() => committableSource(settings));
        expect(error.code).to.equal("AUTO_COMMIT_REFUSED");
        expect(error.message).to.match(/Remove it/);
        expect(refusal(() => plainSource(settings)).code).to.equal("AUTO_COMMIT_REFUSED");
      }
    });
  }

  it("takes auto-commit switched off", () => {
    for (const off of [false, "false", "0", 0, "F"]) {
      committableSource({ kafka, topics: ["t"], properties: { "enable.auto.commit": off } });
    }
  });

  it("needs no group for a plain source with an assignment, and gives the client one all the same", () => {
    const fake = new FakeKafka();
    const source = plainSource({ kafka: { brokers: "b:1", driver: fake }, assignment: [{ topic: "t", partition: 0 }] });
    const loop = source.iterate();
    expect(fake.client.properties).to.include({ "group.id": "millrace-ungrouped" });
    return loop.return?.();
  });

  it("refuses a producer's and a committer's nonsense by name", () => {
    expect(refusal(() => producerFlow(given({ kafka, parallelism: 0 }))).message).to.match(
      /producerFlow: [\s\S]*parallelism/,
    );
    expect(refusal(() => producerFlow(given({ kafka: {} }))).message).to.match(/brokers/);
    expect(refusal(() => committerSink({ maxIntervalMs: -1 })).message).to.match(/committerSink: [\s\S]*maxIntervalMs/);
    expect(refusal(() => committerSink(given({ maxBatchSize: 5 }))).message).to.match(/maxBatchSize/);
  });

  it("hands properties over: those of the source over those of kafka, brokers and group over both", async () => {
    const fake = new FakeKafka();
    const loop = committableSource({
      kafka: {
        brokers: ["a:1", "b:2"],
        clientId: "c",
        groupId: "shared",
        driver: fake,
        properties: { "fetch.min.bytes": 1, "fetch.wait.max.ms": 7, "bootstrap.servers": "x" },
      },
      groupId: "own",
      topics: ["t"],
      properties: { "fetch.min.bytes": 2 },
    }).iterate();
    expect(fake.client.properties).to.deep.equal({
      "auto.offset.reset": "earliest",
      "bootstrap.servers": "a:1,b:2",
      "client.id": "c",
      "group.id": "own",
      "queued.max.messages.kbytes": 16_384,
      "fetch.min.bytes": 2,
      "fetch.wait.max.ms": 7,
    });
    await loop.return?.();
  });

  it("reads a partition without a committed position from its beginning, unless a property says otherwise", async () => {
    const fake = new FakeKafka();
    const loop = committableSource({
      kafka: { brokers: "a:1", groupId: "g", driver: fake, properties: { "auto.offset.reset": "latest" } },
      topics: ["t"],
    }).iterate();
    expect(fake.client.properties["auto.offset.reset"]).to.equal("latest");
    await loop.return?.();
  });
});

describe("a misspelt setting", () => {
  it("of a source is refused by name", () => {
    const misspelt = given({ kafka, topics: ["orders"], maxBuferedRecords: 10 });
    expect(refusal(() => committableSource(misspelt)).message).to.include("maxBuferedRecords");
  });

  it("of a producer is refused by name", () => {
    expect(refusal(() => producerFlow(given({ kafka, paralelism: 10 }))).message).to.include("paralelism");
  });

  it("cannot switch auto-commit on by its old name", () => {
    const settings = given({ kafka, topics: ["orders"], properties: { "auto.commit.enable": "1" } });
    expect(refusal(() => committableSource(settings)).code).to.equal("AUTO_COMMIT_REFUSED");
  });
});
