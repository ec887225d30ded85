import { type ClientStatistics, type KafkaSettings, plainSource, SendProducer } from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf } from "../support/until.js";

const INTERVAL = "statistics.interval.ms";

describe("statistics of the client", () => {
  let kafka: FakeKafka;
  const warnings: string[] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => void warnings.push(message),
    error: () => undefined,
  };
  beforeEach(() => {
    kafka = new FakeKafka();
    warnings.length = 0;
  });
  afterEach(() => kafka.verify());

  const source = (settings: Partial<KafkaSettings>) =>
    plainSource({ kafka: { ...kafka.settings, logger, ...settings }, topics: ["t"] }).to(Sink.ignore);
  const told: ClientStatistics[] = [];
  const onStatistics = (statistics: ClientStatistics): void => void told.push(statistics);
  beforeEach(() => {
    told.length = 0;
  });

  for (const [what, statistics] of [
    ["no interval", { onStatistics }],
    ["an interval of 0", { intervalMs: 0 }],
    ["an interval of more than a day", { intervalMs: 86_400_001 }],
    ["what is no function", { intervalMs: 1000, onStatistics: "log" }],
  ] as const) {
    it(`are refused with ${what}`, () => {
      expect(errorOf(() => source({ statistics: statistics as never }))).to.include({ code: "INVALID_SETTINGS" });
    });
  }

  it("are refused where a property says how often they come", () => {
    const error = errorOf(() => source({ statistics: { intervalMs: 1000 }, properties: { [INTERVAL]: 5 } }));
    expect(error).to.include({ code: "INVALID_SETTINGS" });
    expect((error as Error).message).to.contain("kafka.statistics");
  });

  it("end nothing where what hears of them throws", async () => {
    const throwing = (): never => {
      throw new Error("no");
    };
    const control = source({ statistics: { intervalMs: 1000, onStatistics: throwing } }).run();
    kafka.client.listener.onStatistics?.('{"name":"a"}');
    expect(warnings).to.deep.equal(["kafka: onStatistics failed: no"]);
    expect(control.metrics().client).to.deep.equal({ name: "a" });
    await control.shutdown();
  });

  it("are asked of no client, and are absent, unless they are wanted", async () => {
    const control = source({}).run();
    expect(kafka.client.properties).not.to.have.property(INTERVAL);
    expect(control.metrics()).not.to.have.property("client");
    await control.shutdown();
  });

  it("W-23 S-39 are passed on for each client, and the latest are in a consumer's metrics", async () => {
    const statistics = { intervalMs: 1000, onStatistics };
    const control = source({ statistics }).run();
    expect(kafka.client.properties).to.include({ [INTERVAL]: 1000 });
    expect(control.metrics()).not.to.have.property("client");
    for (const age of [1, 2]) kafka.client.listener.onStatistics?.(`{"name":"a","age":${age}}`);
    expect(control.metrics().client).to.deep.equal({ name: "a", age: 2 });
    expect(control.metrics().client, "again").to.deep.equal({ name: "a", age: 2 });
    await control.shutdown();

    const sender = SendProducer.create({ kafka: { ...kafka.settings, statistics } });
    await sender.send({ topic: "t", value: Buffer.from("v") });
    expect(kafka.sender.properties).to.include({ [INTERVAL]: 1000 });
    kafka.sender.listener.onStatistics?.('{"name":"b"}');
    await sender.close();
    expect(told).to.deep.equal([{ name: "a", age: 1 }, { name: "a", age: 2 }, { name: "b" }]);
  });
});
