import type { ConsumerClient } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing } from "./support/virtual-time.js";

const place = (partition: number) => ({ topic: "t", partition });

describe("a simulated consumer whose partitions are assigned by hand", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let client: ConsumerClient;
  let read: string[];

  beforeEach(async () => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 5, clock });
    kafka.createTopic("t", 3);
    for (const partition of [0, 1, 2]) kafka.append("t", partition, { value: "a" }, { value: "b" });
    read = [];
    const listener = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };
    client = kafka.driver.consumer({ "group.id": "g", "auto.offset.reset": "earliest" }, listener);
    await passing(clock, client.connect(), "a connection");
  });
  afterEach(() => passing(clock, client.close(), "the client to close"));

  const poll = async (times = 20): Promise<readonly string[]> => {
    read = [];
    for (let polls = 0; polls < times; polls++) {
      const chunk = await passing(clock, client.poll({ maxRecords: 10, waitMs: 5 }), "a poll");
      for (let index = 0; index < (chunk?.length ?? 0); index++) {
        read.push(`${chunk?.partition(index)}@${chunk?.offset(index)}`);
      }
    }
    return read.sort();
  };

  it("cannot change them while a poll runs", async () => {
    const polling = client.poll({ maxRecords: 1, waitMs: 5 });
    expect(() => client.addPartitions([place(0)])).to.throw("a poll is running");
    expect(() => client.removePartitions([place(0)])).to.throw("a poll is running");
    await passing(clock, polling, "the poll");
  });

  it("adds to them while the others go on, and takes from them", async () => {
    client.addPartitions([place(0)]);
    expect(await poll()).to.deep.equal(["0@0", "0@1"]);
    client.addPartitions([{ ...place(1), offset: 1 }]);
    expect(await poll()).to.deep.equal(["1@1"]);
    client.removePartitions([place(0)]);
    for (const partition of [0, 1]) kafka.append("t", partition, { value: "c" });
    expect(await poll()).to.deep.equal(["1@2"]);
    client.addPartitions([place(0)]);
    expect(await poll()).to.deep.equal(["0@0", "0@1", "0@2"]);
  });

  it("begins anew with another subscription, in place of the one before", async () => {
    client.subscribe({ kind: "assignment", partitions: [place(0), place(1)] });
    await poll();
    client.subscribe({ kind: "assignment", partitions: [place(1), place(2)] });
    expect(await poll()).to.deep.equal(["1@0", "1@1", "2@0", "2@1"]);
  });
});
