import { expect } from "chai";
import fc from "fast-check";
import { FetchedChunk } from "../../src/consumer/fetched-chunk.js";
import { OwnedPartition } from "../../src/consumer/owned-partition.js";
import { AuditTrail } from "../../src/ledger/auditor.js";
import { FakeChunk } from "../support/fake-chunk.js";
import { unheard } from "../support/unheard.js";

const PLACE = { topic: "t", partition: 0 };

type Step =
  | { readonly do: "add"; readonly records: number }
  | { readonly do: "take"; readonly room: number }
  | { readonly do: "drop" };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("add"), records: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ do: fc.constant("take"), room: fc.integer({ min: -1, max: 12 }) }),
    fc.record({ do: fc.constant("take"), room: fc.integer({ min: -1, max: 12 }) }),
    fc.record({ do: fc.constant("drop") }),
  ),
);

class CountedChunk extends FakeChunk {
  releases = 0;

  override release(): void {
    this.releases += 1;
  }
}

describe("OwnedPartition's buffer", () => {
  it("gives what was added, in order, in portions of the room there is, and releases each chunk once", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const owned = new OwnedPartition(PLACE, 1, new AuditTrail("t", 0, 1), unheard);
        const chunks: CountedChunk[] = [];
        let model: number[] = [];
        let next = 0;
        for (const step of all) {
          if (step.do === "add") {
            const offsets = Array.from({ length: step.records }, () => next++);
            const chunk = new CountedChunk(offsets.map((offset) => ({ ...PLACE, offset })));
            chunks.push(chunk);
            const fetched = new FetchedChunk(chunk, chunk.runs().length);
            for (const run of chunk.runs()) owned.add({ ...run, fetched });
            model.push(...offsets);
          } else if (step.do === "drop") {
            expect(owned.drop()).to.equal(model.length);
            model = [];
          } else {
            const run = owned.take(step.room);
            const offsets: number[] = [];
            for (let index = run?.from ?? 0; index < (run?.to ?? 0); index++)
              offsets.push(run!.fetched.chunk.offset(index));
            run?.fetched.runDone();
            expect(offsets.length).to.be.at.most(Math.max(0, step.room));
            if (step.room > 0 && model.length > 0) expect(offsets.length).to.be.greaterThan(0);
            expect(offsets).to.deep.equal(model.splice(0, offsets.length));
          }
          expect(owned.buffered).to.equal(model.length);
        }
        owned.drop();
        expect(chunks.map(({ releases }) => releases)).to.deep.equal(chunks.map(() => 1));
      }),
    );
  });
});
