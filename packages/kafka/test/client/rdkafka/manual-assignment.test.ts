import { expect } from "chai";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import { codeThrownBy } from "./support/errors.js";
import { FakeConsumer } from "./support/fake-native.js";

const PARTITIONS = [{ topic: "t", partition: 0, offset: 3 }] as const;

describe("an RdkafkaConsumer whose partitions are assigned by hand", () => {
  const setUp = () => {
    const native = new FakeConsumer();
    const listener = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };
    return { native, consumer: new RdkafkaConsumer({ "group.id": "g" }, listener, undefined, native.create) };
  };

  it("refuses to change them before it is connected", () => {
    const { consumer } = setUp();
    expect(codeThrownBy(() => consumer.addPartitions(PARTITIONS))).to.equal("CLIENT_FAILED");
    expect(codeThrownBy(() => consumer.removePartitions(PARTITIONS))).to.equal("CLIENT_FAILED");
  });

  it("passes on what the client refuses", async () => {
    const { consumer, native } = setUp();
    await consumer.connect();
    native.throws.set("incrementalAssign", { code: -190, message: "" });
    native.throws.set("incrementalUnassign", { code: -190, message: "" });
    expect(() => consumer.addPartitions(PARTITIONS)).to.throw("could not read more partitions");
    expect(() => consumer.removePartitions(PARTITIONS)).to.throw("could not give partitions up");
  });

  it("adds to them and takes from them, and replaces them by another subscription", async () => {
    const { consumer, native } = setUp();
    await consumer.connect();
    consumer.addPartitions(PARTITIONS);
    consumer.removePartitions([{ topic: "t", partition: 0 }]);
    consumer.subscribe({ kind: "assignment", partitions: PARTITIONS });
    consumer.subscribe({ kind: "assignment", partitions: [{ topic: "t", partition: 1 }] });
    expect(native.calls).to.deep.equal([
      ["incrementalAssign", PARTITIONS],
      ["incrementalUnassign", [{ topic: "t", partition: 0 }]],
      ["assign", PARTITIONS],
      ["assign", [{ topic: "t", partition: 1 }]],
    ]);
  });
});
