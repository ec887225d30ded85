import { Source } from "@millrace/streams";
import { type ConsumerRecord, type ProducerHeaders, producerSink, SendProducer, string } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { FakeKafka } from "../support/fake-kafka.js";
import { rejectionOf } from "../support/until.js";

describe("headers of records to produce", () => {
  const send = async (headers: ProducerHeaders): Promise<FakeKafka> => {
    const kafka = new FakeKafka();
    const record = { topic: "out", value: "v", headers };
    await Source.single(record).runWith(producerSink<string, string>({ kafka: kafka.settings, value: string() }));
    return kafka;
  };
  const sent = async (headers: ProducerHeaders): Promise<unknown> =>
    (await send(headers)).sender.sent[0]?.record.headers;

  const refused: [what: string, headers: unknown, reason: RegExp][] = [
    ["text", "a=1", /headers are neither a list nor an object/],
    ["null", null, /headers are neither a list nor an object/],
    ["bytes", Buffer.from("a=1"), /one of its headers has no name/],
    ["a list of objects", [{ key: "a", value: "1" }], /one of its headers has no name/],
    ["a name that is a number", [[1, "x"]], /one of its headers has no name/],
    ["a value that is a number", { retries: 3 }, /header "retries" holds a value of type number/],
    ["a value that is undefined", [["trace", undefined]], /header "trace" holds a value of type undefined/],
    ["several values in one", { trace: ["a", "b"] }, /header "trace" holds a value of type object/],
    ["an object that cannot keep its order", { z: "first", "1": "second" }, /lost the place of its header "1"/],
  ];
  for (const [what, headers, reason] of refused) {
    it(`are refused with INVALID_RECORD where they are, or have, ${what}, by a stream and by a sender`, async () => {
      const error = await rejectionOf(send(headers as ProducerHeaders));
      expect(error).to.include({ code: "INVALID_RECORD" });
      expect((error as Error).message)
        .to.match(reason)
        .and.to.match(/record for out.*Give headers as a list/);
      const sender = SendProducer.create<string, string>({ kafka: new FakeKafka().settings, value: string() });
      const record = { topic: "out", value: "v", headers: headers as ProducerHeaders };
      expect(await rejectionOf(sender.send(record))).to.include({ code: "INVALID_RECORD" });
      await sender.close();
    });
  }

  it("may be those of a consumed record, which are sent as they are: order, repeated names, bytes, null", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string(), fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes))))),
        async (headers: ConsumerRecord<string, string>["headers"]) => {
          expect(await sent(headers)).to.deep.equal(headers);
        },
      ),
      { numRuns: 50 },
    ));

  it("may be text, and an object or a Map, in the order in which they were written", async () => {
    const [one, two] = [Buffer.from("1"), Buffer.from("zwei")];
    const expected = [
      ["b", one],
      ["a", two],
      ["none", null],
    ];
    expect(await sent({ b: one, a: "zwei", none: null })).to.deep.equal(expected);
    expect(await sent(new Map(Object.entries({ b: one, a: "zwei", none: null })) as never)).to.deep.equal(expected);
    expect(await sent({ "1": "zwei" })).to.deep.equal([["1", two]]);
    expect(await sent([["a", new Uint8Array(two)]] as never)).to.deep.equal([["a", two]]);
  });
});
