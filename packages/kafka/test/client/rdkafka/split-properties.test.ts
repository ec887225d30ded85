import { expect } from "chai";
import { splitProperties } from "../../../src/client/rdkafka/split-properties.js";

describe("splitProperties", () => {
  it("sends auto.offset.reset, acks and message.timeout.ms to the topic level", () => {
    const { client, topic } = splitProperties({
      "bootstrap.servers": "a:1",
      "auto.offset.reset": "earliest",
      acks: "all",
      "message.timeout.ms": 500,
    });
    expect(client).to.deep.equal({ "bootstrap.servers": "a:1" });
    expect(topic).to.deep.equal({ "auto.offset.reset": "earliest", acks: "all", "message.timeout.ms": 500 });
  });

  it("sends every other property of the topic table to the topic level", () => {
    const keys = [
      "request.required.acks",
      "request.timeout.ms",
      "delivery.timeout.ms",
      "queuing.strategy",
      "produce.offset.report",
      "partitioner",
      "compression.level",
      "auto.commit.enable",
      "offset.store.path",
      "offset.store.sync.interval.ms",
      "offset.store.method",
      "consume.callback.max.messages",
    ];
    expect(Object.keys(splitProperties(Object.fromEntries(keys.map((key) => [key, 1]))).topic)).to.deep.equal(keys);
  });

  it("keeps at client level what both tables list and the high-level clients read there", () => {
    const both = {
      "enable.auto.commit": false,
      "auto.commit.interval.ms": 1000,
      "compression.codec": "gzip",
      "compression.type": "gzip",
    };
    expect(splitProperties(both)).to.deep.equal({ client: both, topic: {} });
  });
});
