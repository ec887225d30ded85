import { expect } from "chai";
import { consumerProperties, producerProperties } from "../../../src/client/rdkafka/default-properties.js";
import { codeThrownBy } from "./support/errors.js";

describe("the driver's default properties", () => {
  it("refuse enable.auto.commit: true, also as text and by its old name", () => {
    for (const extra of [
      { "enable.auto.commit": true },
      { "enable.auto.commit": "true" },
      { "auto.commit.enable": true },
    ]) {
      expect(codeThrownBy(() => consumerProperties({ "group.id": "g", ...extra }))).to.equal("AUTO_COMMIT_REFUSED");
    }
  });

  it("refuse a consumer without a group id", () => {
    expect(codeThrownBy(() => consumerProperties({}))).to.equal("GROUP_ID_MISSING");
    expect(codeThrownBy(() => consumerProperties({ "group.id": "" }))).to.equal("GROUP_ID_MISSING");
  });

  it("refuse the callbacks the driver lives by", () => {
    for (const key of [
      "rebalance_cb",
      "offset_commit_cb",
      "dr_cb",
      "dr_msg_cb",
      "event_cb",
      "delivery.report.only.error",
    ]) {
      expect(
        codeThrownBy(() => consumerProperties({ "group.id": "g", [key]: true })),
        key,
      ).to.equal("INVALID_SETTINGS");
      expect(
        codeThrownBy(() => producerProperties({ [key]: true })),
        key,
      ).to.equal("INVALID_SETTINGS");
    }
  });

  it("stand below the user's properties", () => {
    const consumer = consumerProperties({ "group.id": "g", "fetch.queue.backoff.ms": 77 });
    expect(consumer).to.include({
      "fetch.queue.backoff.ms": 77,
      "enable.auto.commit": false,
      "enable.partition.eof": false,
    });
    expect(consumer).to.include({ "enable.auto.offset.store": false, "socket.keepalive.enable": true });
    const producer = producerProperties({ "linger.ms": 0 });
    expect(producer).to.include({ "linger.ms": 0, "enable.idempotence": true, "queue.buffering.max.messages": 10_000 });
  });

  it("look for new partitions every 30 s, unless the user says how often", () => {
    const interval = "topic.metadata.refresh.interval.ms";
    for (const properties of [consumerProperties({ "group.id": "g" }), producerProperties({})]) {
      expect(properties).to.include({ [interval]: 30_000, "metadata.max.age.ms": 900_000 });
    }
    for (const properties of [
      consumerProperties({ "group.id": "g", [interval]: 1 }),
      producerProperties({ [interval]: 1 }),
    ]) {
      expect(properties)
        .to.include({ [interval]: 1 })
        .and.not.have.property("metadata.max.age.ms");
    }
  });

  it("look for a broker that comes back every two seconds, unless the user's first pause is longer", () => {
    for (const properties of [consumerProperties({ "group.id": "g" }), producerProperties({})]) {
      expect(properties).to.include({ "reconnect.backoff.max.ms": 2000 });
    }
    for (const own of [{ "reconnect.backoff.ms": 5000 }, { "reconnect.backoff.ms": "2001" }]) {
      expect(consumerProperties({ "group.id": "g", ...own })).to.not.have.property("reconnect.backoff.max.ms");
      expect(producerProperties(own)).to.not.have.property("reconnect.backoff.max.ms");
    }
    expect(producerProperties({ "reconnect.backoff.max.ms": 30_000 })).to.include({
      "reconnect.backoff.max.ms": 30_000,
    });
  });

  it("leave linger to its other name when the user chose that", () => {
    expect(producerProperties({ "queue.buffering.max.ms": 50 })).to.not.have.property("linger.ms");
  });

  it("drop idempotence only where the user asked for what librdkafka refuses beside it", () => {
    for (const asked of [
      { acks: 1 },
      { "request.required.acks": "0" },
      { "max.in.flight": 6 },
      { "max.in.flight.requests.per.connection": 1000 },
      { retries: 0 },
      { "message.send.max.retries": 0 },
      { "queuing.strategy": "lifo" },
    ]) {
      expect(producerProperties(asked), JSON.stringify(asked)).to.not.have.property("enable.idempotence");
    }
    for (const asked of [{ acks: "all" }, { acks: -1 }, { "max.in.flight": 5 }, { retries: 3 }]) {
      expect(producerProperties(asked), JSON.stringify(asked)).to.have.property("enable.idempotence", true);
    }
    expect(producerProperties({ acks: 1, "enable.idempotence": true })).to.have.property("enable.idempotence", true);
  });
});
