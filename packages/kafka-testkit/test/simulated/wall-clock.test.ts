import { plainSource, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";

describe("a simulated cluster without a clock of its own", () => {
  it("is read in the time of the machine", async () => {
    const kafka = new SimulatedKafka({ seed: 1 });
    kafka.createTopic("t", 1);
    kafka.append("t", 0, { value: "a" }, { value: "b" });
    const records = await plainSource({
      kafka: { brokers: "simulated:1", driver: kafka.driver },
      assignment: [{ topic: "t", partition: 0, offset: 0 }],
      value: string(),
    })
      .take(2)
      .map(({ value }) => value)
      .runWith(Sink.toArray());
    expect(records).to.deep.equal(["a", "b"]);
  });
});
