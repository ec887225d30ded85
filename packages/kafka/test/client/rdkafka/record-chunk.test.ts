import { expect } from "chai";
import fc from "fast-check";
import type { NativeMessage } from "../../../src/client/rdkafka/native.js";
import { RdkafkaChunk } from "../../../src/client/rdkafka/record-chunk.js";

const message = (topic: string, partition: number, offset: number): NativeMessage => ({
  topic,
  partition,
  offset,
  key: null,
  value: Buffer.from("v"),
});

describe("RdkafkaChunk", () => {
  it("throws for a record that it has not, and after release", () => {
    const chunk = new RdkafkaChunk([message("t", 0, 0)]);
    expect(() => chunk.value(1)).to.throw(RangeError);
    chunk.release();
    expect(() => chunk.value(0)).to.throw(RangeError, "released");
  });

  it("gives every column of a record", () => {
    const headers = [{ h: Buffer.from("x") }];
    const chunk = new RdkafkaChunk([{ ...message("t", 3, 42), key: Buffer.from("k"), timestamp: 1234, headers }]);
    expect([chunk.topic(0), chunk.partition(0), chunk.offset(0), chunk.timestamp(0)]).to.deep.equal(["t", 3, 42, 1234]);
    expect([String(chunk.key(0)), String(chunk.value(0))]).to.deep.equal(["k", "v"]);
    expect(chunk.headers(0)).to.deep.equal([["h", Buffer.from("x")]]);
  });

  it("gives timestamp -1 where the broker gave none", () => {
    expect(new RdkafkaChunk([message("t", 0, 0)]).timestamp(0)).to.equal(-1);
  });

  it("computes its runs once", () => {
    const chunk = new RdkafkaChunk([message("t", 0, 0)]);
    expect(chunk.runs()).to.equal(chunk.runs());
  });

  it("begins another run where the client goes back, so that offsets ascend within each", () => {
    const chunk = new RdkafkaChunk([8, 9, 0, 1, 1].map((offset) => message("t", 0, offset)));
    expect(chunk.runs().map(({ from, to, lastOffset }) => [from, to, lastOffset])).to.deep.equal([
      [0, 2, 9],
      [2, 4, 1],
      [4, 5, 1],
    ]);
  });

  it("has runs that cover every record once, in order, and never join or split neighbours wrongly", () => {
    const record = fc.record({ topic: fc.constantFrom("a", "b"), partition: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(record), (records) => {
        const chunk = new RdkafkaChunk(
          records.map(({ topic, partition }, index) => message(topic, partition, index * 10)),
        );
        let at = 0;
        let before = "";
        for (const { topic, partition, from, to, lastOffset } of chunk.runs()) {
          expect(from).to.equal(at);
          expect(to).to.be.greaterThan(from);
          expect(`${topic} ${partition}`).to.not.equal(before);
          for (let index = from; index < to; index++) {
            expect([chunk.topic(index), chunk.partition(index)]).to.deep.equal([topic, partition]);
          }
          expect(lastOffset).to.equal(chunk.offset(to - 1));
          before = `${topic} ${partition}`;
          at = to;
        }
        expect(at).to.equal(records.length);
      }),
    );
  });
});
