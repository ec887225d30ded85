import { inspect } from "node:util";
import { json, plainSource, producerSink, string } from "@millrace/kafka";
import { Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf, until } from "../support/until.js";
import { parseConsumer } from "../../src/settings/parse-consumer.js";

describe("settings, by Alpakka's scenarios", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });
  afterEach(() => kafka.verify());

  it("G-01 refuses properties that are nested, for librdkafka's names are flat", () => {
    const nested = { ...kafka.settings, properties: { ssl: { key: { location: "k.pem" } } } } as never;
    expect(errorOf(() => plainSource({ kafka: nested, topics: ["t"] }))).to.include({ code: "INVALID_SETTINGS" });
  });

  for (const [name, value] of [
    ["revokeTimeoutMs", -1],
    ["lookupTimeoutMs", 0],
    ["commitTimeoutMs", -5],
    ["maxPollRecords", 0],
    ["maxBufferedRecords", 0.5],
    ["maxInFlight", Number.NaN],
    ["commitTimeoutMs", Number.POSITIVE_INFINITY],
  ] as const) {
    it(`G-16 G-18 refuses ${name}: ${value}`, () => {
      const error = errorOf(() => plainSource({ kafka: kafka.settings, topics: ["t"], [name]: value }));
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.contain(name);
    });
  }

  it("G-06 shows no password, however the settings are printed", () => {
    const properties = { "sasl.password": "open sesame", "ssl.key.password": "open sesame" };
    const parsed = parseConsumer({ kafka: { ...kafka.settings, properties }, topics: ["t"] }, "plainSource", false);
    for (const text of [inspect(parsed, { depth: 9 }), JSON.stringify(parsed)]) expect(text).not.to.contain("sesame");
    expect(inspect(parsed.properties)).to.contain("[redacted]");
  });

  it("G-03 takes the serdes that are given to a source and to a sink", async () => {
    const read: unknown[] = [];
    const control = plainSource({ kafka: kafka.settings, topics: ["t"], key: string(), value: json() })
      .to(Sink.forEach(({ value }) => void read.push(value)))
      .run();
    await kafka.client.assign({ topic: "t", partition: 0 });
    kafka.client.give(records("t", 0, 0, 1).map((record) => ({ ...record, value: Buffer.from("7") })));
    await until(() => read.length === 1, "a record");
    await control.shutdown();
    expect(read).to.deep.equal([7]);
    await Source.from([{ topic: "t", key: "k", value: 8 }]).runWith(
      producerSink({ kafka: kafka.settings, key: string(), value: json() }),
    );
    expect(kafka.sender.sent.map(({ record }) => record.value?.toString())).to.deep.equal(["8"]);
  });

  it("G-17 hands the assignment strategy to the client", async () => {
    const properties = { "partition.assignment.strategy": "cooperative-sticky" };
    const control = plainSource({ kafka: kafka.settings, topics: ["t"], properties })
      .to(Sink.ignore)
      .run();
    expect(kafka.client.properties).to.include(properties);
    await control.shutdown();
  });

  it("G-19 lets a source inherit what all clients have, and have its own way in the rest", async () => {
    const shared = { ...kafka.settings, properties: { "fetch.wait.max.ms": 10, "fetch.min.bytes": 2 } };
    const control = plainSource({ kafka: shared, topics: ["t"], properties: { "fetch.min.bytes": 3 } })
      .to(Sink.ignore)
      .run();
    expect(kafka.client.properties).to.include({ "fetch.wait.max.ms": 10, "fetch.min.bytes": 3 });
    await control.shutdown();
  });
});
