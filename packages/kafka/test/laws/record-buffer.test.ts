import { expect } from "chai";
import fc from "fast-check";
import { RecordBuffer } from "../../src/consumer/record-buffer.js";
import { FakeChunk, type FakeRecord } from "../support/fake-chunk.js";

const partitions = [
  { topic: "t", partition: 0 },
  { topic: "t", partition: 1 },
  { topic: "u", partition: 0 },
] as const;

const chunks = fc.array(
  fc
    .record({ partition: fc.constantFrom(...partitions), offset: fc.nat(1000) })
    .map(({ partition, offset }): FakeRecord => ({ ...partition, offset })),
  { minLength: 1, maxLength: 8 },
);

type Step =
  | { readonly do: "add"; readonly records: FakeRecord[] }
  | { readonly do: "drop"; readonly from: number; readonly to: number }
  | { readonly do: "take" | "clear" };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("add"), records: chunks }),
    fc.record({ do: fc.constant("add"), records: chunks }),
    fc.record({ do: fc.constant("drop"), from: fc.nat(3), to: fc.nat(3) }),
    fc.record({ do: fc.constant("take") }),
    fc.record({ do: fc.constant("take") }),
    fc.record({ do: fc.constant("clear") }),
  ),
);

describe("RecordBuffer", () => {
  it("does what a list of lists does", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const buffer = new RecordBuffer();
        let model: FakeRecord[][] = [];
        for (const step of all) {
          if (step.do === "add") {
            buffer.add(new FakeChunk(step.records), () => 1);
            model.push(step.records);
          } else if (step.do === "drop") {
            const gone = partitions.slice(step.from, step.to);
            const lost = (one: FakeRecord): boolean =>
              gone.some(({ topic, partition }) => topic === one.topic && partition === one.partition);
            expect(buffer.drop(gone)).to.equal(model.flat().filter(lost).length);
            model = model.map((chunk) => chunk.filter((one) => !lost(one))).filter((chunk) => chunk.length > 0);
          } else if (step.do === "clear") {
            buffer.clear();
            model = [];
          } else {
            const taken = buffer.take().flatMap((run) =>
              Array.from({ length: run.to - run.from }, (_, index) => ({
                topic: run.topic,
                partition: run.partition,
                offset: run.chunk.offset(run.from + index),
              })),
            );
            expect(taken).to.deep.equal(model.shift() ?? []);
          }
          expect(buffer.size).to.equal(model.flat().length);
        }
      }),
    );
  });
});
