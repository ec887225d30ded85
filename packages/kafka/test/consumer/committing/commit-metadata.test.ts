import { committableSource, KafkaConnectorError } from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../../support/fake-kafka.js";

const settings = { topics: ["orders"], metadata: (): string => "note" };

describe("metadata of a commit", () => {
  it("is refused while the graph is built where the driver would lose it", () => {
    expect(() => committableSource({ kafka: { brokers: "127.0.0.1:9092", groupId: "g" }, ...settings }))
      .to.throw(KafkaConnectorError, /node-rdkafka does not send the metadata/)
      .with.property("code", "INVALID_SETTINGS");
  });

  it("is accepted where the driver sends it", () => {
    expect(() => committableSource({ kafka: new FakeKafka().settings, ...settings })).not.to.throw();
  });
});
