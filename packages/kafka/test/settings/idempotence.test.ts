import { producerFlow, producerSink, SendProducer, sharedProducer } from "@millrace/kafka";
import { Source } from "@millrace/streams";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf } from "../support/until.js";

describe("idempotence", () => {
  let kafka: FakeKafka;
  beforeEach(() => {
    kafka = new FakeKafka();
  });

  const contradictions: readonly Readonly<Record<string, string | number | boolean>>[] = [
    { acks: 0 },
    { acks: "1" },
    { "request.required.acks": 1 },
    { acks: "all", "request.required.acks": 0 },
    { acks: 1, "enable.idempotence": true },
    { "max.in.flight": 6 },
    { "max.in.flight.requests.per.connection": "100" },
    { retries: 0 },
    { "message.send.max.retries": 0 },
    { "queuing.strategy": "lifo" },
  ];
  for (const properties of contradictions) {
    it(`refuses ${JSON.stringify(properties)} when the graph is built, and says what to do`, () => {
      const error = errorOf(() => producerFlow({ kafka: kafka.settings, properties }));
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.match(
        /^producerFlow: \S+=\S+ contradicts enable.idempotence.*Remove it, or set enable.idempotence to false and accept that/,
      );
    });
  }

  it("refuses them in the properties of kafka, and for sinks, senders and shared producers", () => {
    const refused = { ...kafka.settings, properties: { acks: 1 } };
    for (const build of [
      () => producerSink({ kafka: refused }),
      () => SendProducer.create({ kafka: refused }),
      () => sharedProducer({ kafka: refused }),
    ]) {
      expect(errorOf(build)).to.include({ code: "INVALID_SETTINGS" });
    }
  });

  it("refuses a transactional producer without it", () => {
    const properties = { "transactional.id": "t", "enable.idempotence": false };
    const error = errorOf(() => producerFlow({ kafka: kafka.settings, properties }));
    expect((error as Error).message).to.match(/transactions need an idempotent producer/);
  });

  const run = async (properties: Readonly<Record<string, string | number | boolean>>): Promise<void> => {
    const record = { topic: "out", value: null };
    await Source.single(record).runWith(producerSink({ kafka: kafka.settings, properties }));
  };

  it("is on by default, and beside properties that agree with it", async () => {
    for (const properties of [{}, { acks: "all" }, { acks: -1 }, { "max.in.flight": 5 }, { retries: 3 }]) {
      await run(properties);
      expect(kafka.sender.properties).to.include({ "enable.idempotence": true, ...properties });
    }
  });

  it("is off where the properties say so plainly, and then anything goes", async () => {
    for (const off of [false, "false", "0"]) {
      await run({ "enable.idempotence": off, acks: 1, "max.in.flight": 100 });
      expect(kafka.sender.properties).to.include({ "enable.idempotence": off, acks: 1, "max.in.flight": 100 });
    }
  });
});
