import type { ConsumerClient, ConsumerListener, StartPosition, TopicPartitionOffset } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { rejection } from "./support/rejection.js";
import { passing } from "./support/virtual-time.js";

const P = { topic: "t", partition: 0 } as const;
const WAIT_MS = 1000;

describe("the positions of a simulated consumer", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let client: ConsumerClient;
  let read: number[];
  let ends: TopicPartitionOffset[];

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 5, clock });
    kafka.createTopic("t", 1);
    read = [];
    ends = [];
  });
  afterEach(() => passing(clock, client.close(), "the client to close"));

  const append = (count: number): void =>
    kafka.append("t", 0, ...Array.from({ length: count }, (_, index) => ({ value: String(index) })));

  const start = async (startOf?: StartPosition["offset"]): Promise<void> => {
    const listener: ConsumerListener = {
      onAssign: () => undefined,
      onRevoke: () => undefined,
      onError: () => undefined,
      startOf: () => startOf,
      onPartitionEnd: (end) => void ends.push(end),
    };
    client = kafka.driver.consumer({ "group.id": "g", "auto.offset.reset": "earliest" }, listener);
    await passing(clock, client.connect(), "a connection");
    client.subscribe({ kind: "topics", topics: ["t"] });
  };
  const poll = async (): Promise<void> => {
    const chunk = await passing(clock, client.poll({ maxRecords: 10, waitMs: 50 }), "a poll");
    for (let index = 0; index < (chunk?.length ?? 0); index++) read.push(chunk?.offset(index) ?? -1);
  };
  const pollUntil = async (holds: () => boolean): Promise<void> => {
    for (let polls = 0; !holds(); polls++) {
      if (polls > 500) throw new Error(`expected more of ${read.join()}`);
      await poll();
    }
  };

  it("cannot be sought where nothing is assigned, nor while a poll runs", async () => {
    append(1);
    await start();
    expect(await rejection(clock, client.seek([{ ...P, offset: 0 }], WAIT_MS))).to.include({ code: "CLIENT_FAILED" });
    await pollUntil(() => read.length === 1);
    const polling = client.poll({ maxRecords: 1, waitMs: 50 });
    expect(await rejection(clock, client.seek([{ ...P, offset: 0 }], WAIT_MS))).to.include({ code: "CLIENT_FAILED" });
    await passing(clock, polling, "the poll");
  });

  it("begin where the listener says, and go on from where they are sought", async () => {
    append(6);
    await start(4);
    await pollUntil(() => read.length === 2);
    await client.seek([{ ...P, offset: 1 }], WAIT_MS);
    await pollUntil(() => read.length === 7);
    expect(read).to.deep.equal([4, 5, 1, 2, 3, 4, 5]);
  });

  it("reach the end once, also an empty one, and again when it is reached again", async () => {
    await start();
    await pollUntil(() => ends.length === 1);
    expect(ends).to.deep.equal([{ ...P, offset: 0 }]);
    append(2);
    await pollUntil(() => ends.length === 2);
    await poll();
    expect(ends.at(-1)).to.deep.equal({ ...P, offset: 2 });
    expect(ends).to.have.length(2);
    await client.seek([{ ...P, offset: 1 }], WAIT_MS);
    await pollUntil(() => ends.length === 3);
    expect(read).to.deep.equal([0, 1, 1]);
  });

  it("are found by time; what is younger, or does not exist, is left out", async () => {
    append(2);
    await clock.advance(1000);
    const since = clock.now();
    append(2);
    await start();
    const ask = (timestamp: number, partition = 0) =>
      passing(clock, client.offsetsForTimes([{ topic: "t", partition, timestamp }], WAIT_MS), "offsets");
    expect(await ask(since)).to.deep.equal([{ ...P, offset: 2 }]);
    expect(await ask(0)).to.deep.equal([{ ...P, offset: 0 }]);
    expect(await ask(since + 1)).to.deep.equal([]);
    expect(await ask(0, 7)).to.deep.equal([]);
  });
});
