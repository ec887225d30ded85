import { type DeadLetter, type Headers, readDeadLetter } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { headersOf, inputs, records, written, type Written } from "./peers.js";

const read = (each: Written): DeadLetter => {
  const letter = readDeadLetter({ headers: headersOf(each) });
  if (!letter) throw new Error(`nothing was read of ${each.writer}, ${each.topic}`);
  return letter;
};

const text = (value: string): Buffer => Buffer.from(value);

describe("a dead letter", () => {
  for (const each of records) {
    const { writer, topic, partition, offset } = each;
    it(`of ${writer} in ${topic}[${partition}]@${offset} leads to the record that was first read`, () => {
      const { original, history, valueLost } = read(each);
      const input = inputs.find(
        (it) => it.topic === original.topic && it.partition === original.partition && it.offset === original.offset,
      );
      expect(input, JSON.stringify(original)).to.not.equal(undefined);
      expect(input?.key).to.equal(each.key);
      if (!valueLost) expect(input?.value).to.equal(each.value);
      expect(original.timestamp ?? input?.timestamp).to.equal(input?.timestamp);
      expect(history.at(-1)).to.deep.equal(original);
    });
  }

  it("of a recoverer says who read it and what the handler threw", () => {
    const letter = read(written("fx.handler-dlt", 2));
    expect(letter).to.include({ dialect: "spring", attempts: undefined, valueLost: false });
    expect(letter.original).to.include({ topic: "fx.handler", timestamp: 1_700_000_000_123, group: "fx-handler" });
    expect(letter.error).to.include({ name: "java.lang.IllegalStateException", part: undefined });
    expect(letter.error.message).to.match(/threw exception; /);
  });

  it("counts the deliveries that Spring has counted", () => {
    expect(read(written("fx.attempts-dlt")).attempts).to.equal(3);
  });

  for (const [topic, attempts] of [
    ["fx.exp-retry-300", 1],
    ["fx.exp-retry-1000", 3],
    ["fx.exp-dlt", 4],
    ["fx.retryint-dlt", 1],
  ] as const) {
    it(`of @RetryableTopic in ${topic} was tried ${attempts} times`, () => {
      const { attempts: counted, original, error } = read(written(topic));
      expect([counted, original.group]).to.deep.equal([attempts, topic.replace(/^fx\.(\w+)-.*/, "fx-$1")]);
      expect(error.name).to.be.a("string");
    });
  }

  for (const [partition, part] of [
    [0, "value"],
    [1, "key"],
    [2, "key"],
  ] as const) {
    it(`of what Spring could not decode names the part: partition ${partition}, ${part}`, () => {
      const { error } = read(written("fx.ints-dlt", partition));
      expect(error).to.include({ part, message: "failed to deserialize" });
      expect(error.name).to.match(/DeserializationException$/);
    });
  }

  it("of a dead letter keeps both failures, and has the error of the newest", () => {
    const { history, error } = read(written("fx.handler-dlt-dlt", 2));
    expect(history.map(({ topic, group }) => [topic, group])).to.deep.equal([
      ["fx.handler-dlt", "fx-again"],
      ["fx.handler", "fx-handler"],
    ]);
    expect(error.name).to.equal("java.lang.UnsupportedOperationException");
  });

  it("of SmallRye has the error and its cause", () => {
    const letter = read(written("sr.orders-dead"));
    expect(letter).to.include({ dialect: "smallrye", attempts: undefined, valueLost: false });
    expect(letter.error).to.deep.equal({
      ...{ name: "java.lang.IllegalStateException", message: "no stock", cause: "java.io.IOException: db" },
      ...{ stack: undefined, part: undefined },
    });
    expect(read(written("dead-letter-topic-plain")).error.cause).to.equal(undefined);
  });

  it("of SmallRye's delayed retries is read from the front, where the newest is", () => {
    const { original, history, attempts, error } = read(written("sr.later-dead"));
    expect(history.map(({ topic }) => topic)).to.deep.equal(["later_600", "later_300", "sr.later"]);
    expect([attempts, original.timestamp]).to.deep.equal([3, 1_700_000_000_127]);
    expect(error).to.include({ message: "later", cause: "java.io.IOException: db" });
    expect(read(written("later_300")).attempts).to.equal(1);
  });

  it("of SmallRye has lost its value where the key could not be decoded", () => {
    expect(read(written("dead-letter-topic-keys")))
      .to.deep.include({ valueLost: true })
      .and.nested.include({
        "error.part": "key",
      });
    expect(read(written("dead-letter-topic-ints")))
      .to.deep.include({ valueLost: false })
      .and.nested.include({
        "error.part": "value",
      });
  });

  it("of Connect names the connector's group, and the part that its converter could not read", () => {
    const json = read(written("cn.json-dlq"));
    expect(json).to.include({ dialect: "connect", attempts: undefined });
    expect(json.original).to.include({ group: "connect-cn-json", partition: 2, offset: 0 });
    expect(json.error).to.include({ name: "org.apache.kafka.connect.errors.DataException", part: "value" });
    expect(read(written("cn.smt-dlq")).error).to.include({ message: "transform failed", part: undefined });
  });

  it("of Karafka says where it came from, and nothing of the failure", () => {
    const headers = Object.entries({
      ...{ source_topic: "orders", source_partition: "3", source_offset: "17" },
      ...{ source_consumer_group: "shipping", source_attempts: "4" },
    }).map(([name, value]) => [name, text(value)] as const);
    const letter = readDeadLetter({ headers });
    expect(letter).to.deep.include({ dialect: "karafka", attempts: 4 });
    expect(letter?.original).to.include({ topic: "orders", partition: 3, offset: 17, group: "shipping" });
    expect(letter?.error.message).to.equal(undefined);
  });

  it("is recognised by the first header of one, and any other record is none", () => {
    expect(readDeadLetter({ headers: [] })).to.equal(undefined);
    expect(readDeadLetter({ headers: [["trace", text("a")]] })).to.equal(undefined);
    expect(readDeadLetter({ headers: [["dead-letter-topic", null]] })).to.equal(undefined);
    const both: Headers = [
      ["source_topic", text("a")],
      ["dead-letter-topic", text("b")],
    ];
    expect(readDeadLetter({ headers: both })?.dialect).to.equal("karafka");
  });

  it("has nothing where a number is none", () => {
    const headers: Headers = [
      ["kafka_dlt-original-topic", text("t")],
      ["kafka_dlt-original-partition", text("12")],
      ["kafka_dlt-original-offset", Buffer.alloc(8, 0x7f)],
      ["retry_topic-attempts", Buffer.alloc(3)],
    ];
    const letter = readDeadLetter({ headers });
    expect(letter?.original).to.deep.include({ topic: "t", partition: undefined, offset: undefined });
    expect(letter?.attempts).to.equal(undefined);
  });

  it("is read of any headers without a throw", () => {
    const names = [...new Set(records.flatMap(({ headers }) => headers.map(([name]) => name)))];
    const header = fc.tuple(fc.constantFrom(...names, "source_topic", "source_offset"), fc.option(fc.uint8Array()));
    fc.assert(
      fc.property(fc.array(header, { maxLength: 30 }), (drawn) => {
        const headers: Headers = drawn.map(([name, value]) => [name, value && Buffer.from(value)]);
        const letter = readDeadLetter({ headers });
        if (letter) expect(letter.history.at(-1)).to.deep.equal(letter.original);
      }),
      { numRuns: 2000 },
    );
  });
});
