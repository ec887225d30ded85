import { expect } from "chai";
import fc from "fast-check";
import { FetchedChunk } from "../../../src/consumer/partitions/fetched-chunk.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { AuditTrail } from "../../../src/ledger/auditor.js";
import { FakeChunk } from "../../support/fake-chunk.js";
import { unheard } from "../../support/unheard.js";

const PLACE = { topic: "t", partition: 0 };

type Step =
  | { readonly do: "add"; readonly sizes: readonly number[] }
  | { readonly do: "take"; readonly room: number; readonly bytes: number }
  | { readonly do: "drop" };

const take = (bytes: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant("take"), room: fc.integer({ min: -1, max: 12 }), bytes });

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("add"), sizes: fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }) }),
    take(fc.constant(Number.POSITIVE_INFINITY)),
    take(fc.nat(60)),
    fc.record({ do: fc.constant("drop") }),
  ),
);

class CountedChunk extends FakeChunk {
  releases = 0;

  override release(): void {
    super.release();
    this.releases += 1;
  }
}

describe("OwnedPartition's buffer", () => {
  it("gives what was added, in order, as much as there is room for, and lets go of each record once it is read", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const owned = new OwnedPartition(PLACE, 1, new AuditTrail("t", 0, 1), unheard);
        const chunks: CountedChunk[] = [];
        let model: { readonly offset: number; readonly size: number }[] = [];
        let next = 0;
        for (const step of all) {
          if (step.do === "add") {
            const added = step.sizes.map((size) => ({ offset: next++, size }));
            const chunk = new CountedChunk(
              added.map(({ offset, size }) => ({ ...PLACE, offset, value: Buffer.alloc(size) })),
            );
            chunks.push(chunk);
            const fetched = new FetchedChunk(chunk, chunk.runs().length);
            for (const run of chunk.runs()) owned.add({ ...run, fetched });
            model.push(...added);
          } else if (step.do === "drop") {
            expect(owned.drop()).to.equal(model.length);
            model = [];
          } else {
            const run = owned.take(step.room, step.bytes);
            const offsets: number[] = [];
            for (let index = run?.from ?? 0; index < (run?.to ?? 0); index++)
              offsets.push(run!.fetched.chunk.offset(index));
            run?.fetched.done(run);
            if (run) expect(() => run.fetched.chunk.offset(run.from)).to.throw(RangeError);
            const fits = step.room > 0 && model[0] !== undefined && model[0].size <= step.bytes;
            expect(offsets.length).to.be.within(fits ? 1 : 0, Math.max(0, step.room));
            const taken = model.splice(0, offsets.length);
            expect(offsets).to.deep.equal(taken.map(({ offset }) => offset));
            expect(run?.bytes ?? 0)
              .to.equal(taken.reduce((sum, { size }) => sum + size, 0))
              .and.at.most(step.bytes);
            if (run) expect(run.lastOffset).to.equal(offsets.at(-1));
          }
          expect(owned.buffered).to.equal(model.length);
          expect(owned.bufferedBytes).to.equal(model.reduce((sum, { size }) => sum + size, 0));
        }
        owned.drop();
        expect(chunks.map(({ releases }) => releases)).to.deep.equal(chunks.map(() => 1));
      }),
    );
  });
});
