import { atMostOnceSource, committableSource, plainPartitionedSource, plainSource } from "@millrace/kafka";
import type { SubscriptionSettings } from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { FakeKafka } from "../../support/fake-kafka.js";

describe("a source's name", () => {
  const { settings: kafka } = new FakeKafka();
  const nameOf = (subscription: SubscriptionSettings): string | undefined =>
    plainSource({ kafka, ...subscription })
      .to(Sink.ignore)
      .describe()
      .split("\n")[0];
  const partition = (number: number, more: object = {}) => ({ topic: "t", partition: number, ...more });

  const cases: readonly [title: string, subscription: SubscriptionSettings, text: string][] = [
    ["Q-01 has its topics", { topics: ["orders", "refunds"] }, "orders, refunds"],
    ["has how many topics it leaves out", { topics: ["a", "b", "c", "d", "e"] }, "a, b, c and 2 more"],
    ["Q-02 has its pattern", { topicPattern: /^pay"/ }, '/^pay"/'],
    ["Q-03 has its partition", { assignment: [partition(3)] }, "t[3]"],
    ["Q-04 has its partition and offset", { assignment: [partition(3, { offset: 42 })] }, "t[3] from 42"],
    [
      "Q-05 has several partitions and offsets",
      { assignment: [partition(0, { offset: "end" }), partition(1, { offset: 0 })] },
      "t[0] from end, t[1] from 0",
    ],
    [
      "Q-06 has partitions and timestamps as dates",
      { assignment: [partition(0, { timestamp: 0 }), partition(1, { timestamp: Number.MAX_SAFE_INTEGER })] },
      "t[0] from 1970-01-01T00:00:00.000Z, t[1] from 9007199254740991",
    ],
  ];
  for (const [title, subscription, text] of cases)
    it(title, () => expect(nameOf(subscription)).to.equal(`plainSource(${text})`));

  it("is that of its factory, for every kind of source", () => {
    const topics = ["t"];
    const names = [committableSource, atMostOnceSource, plainPartitionedSource].map(
      (source) => (source as typeof plainSource)({ kafka, topics }).to(Sink.ignore).describe().split("\n")[0],
    );
    expect(names).to.deep.equal(["committableSource(t)", "atMostOnceSource(t)", "plainPartitionedSource(t)"]);
  });
});
