import { expect } from "chai";
import { parseConsumer } from "../../src/settings/parse-consumer.js";

const settings = { kafka: { brokers: "127.0.0.1:9092", groupId: "g" }, topics: ["orders"] };

describe("where a partition without a committed position is read from", () => {
  it("is the beginning for a committable source, lest a crash before the first commit skip records", () => {
    const { properties } = parseConsumer(settings, "committableSource", true);
    expect(properties["auto.offset.reset"]).to.equal("earliest");
  });

  it("is what the user says", () => {
    const own = { ...settings, properties: { "auto.offset.reset": "error" } };
    expect(parseConsumer(own, "committableSource", true).properties["auto.offset.reset"]).to.equal("error");
  });

  it("is left to the client for a source that does not commit", () => {
    expect(parseConsumer(settings, "plainSource", false).properties).not.to.have.property("auto.offset.reset");
  });
});
