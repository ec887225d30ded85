import { expect } from "chai";
import fc from "fast-check";
import { FetchedChunk } from "../../../src/consumer/partitions/fetched-chunk.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { AuditTrail } from "../../../src/ledger/auditor.js";
import { FakeChunk } from "../../support/fake-chunk.js";
import { unheard } from "../../support/unheard.js";

const PLACE = { topic: "t", partition: 0 };

type Step =
  /** Records are read, behind so many offsets that hold none. */
  | { readonly do: "read"; readonly hidden: number; readonly records: number }
  /** The client meets the end, behind so many offsets that hold none. */
  | { readonly do: "end"; readonly hidden: number }
  | { readonly do: "take"; readonly room: number }
  | { readonly do: "open" }
  | { readonly do: "finish"; readonly which: number }
  | { readonly do: "commit"; readonly acknowledged: boolean }
  | { readonly do: "stop" };

const few = fc.integer({ min: 0, max: 3 });
const some = fc.integer({ min: 1, max: 4 });
const step = fc.oneof<fc.Arbitrary<Step>[]>(
  fc.record({ do: fc.constant("read"), hidden: few, records: some }),
  fc.record({ do: fc.constant("end"), hidden: few }),
  fc.record({ do: fc.constant("take"), room: some }),
  fc.record({ do: fc.constant("open") }),
  fc.record({ do: fc.constant("open") }),
  fc.record({ do: fc.constant("finish"), which: fc.nat() }),
  fc.record({ do: fc.constant("finish"), which: fc.nat() }),
  fc.record({ do: fc.constant("commit"), acknowledged: fc.boolean() }),
  fc.record({ do: fc.constant("commit"), acknowledged: fc.boolean() }),
);
const stop = fc.record({ do: fc.constant("stop" as const) });
const life = fc
  .tuple(fc.array(step, { maxLength: 40 }), fc.option(stop), fc.array(step, { maxLength: 12 }))
  .map(([before, stopped, after]) => [...before, ...(stopped ? [stopped] : []), ...after] as readonly Step[]);

/** An owned partition, and what became of each record that was read of it. */
class World {
  readonly owned = new OwnedPartition(PLACE, 1, new AuditTrail("t", 0, 1), unheard);
  readonly #taken: number[] = [];
  readonly #open: { readonly offset: number; readonly sequence: number }[] = [];
  readonly #unfinished = new Set<number>();
  #next = 0;
  #end = 0;
  #stopped = false;

  constructor() {
    this.owned.commits();
  }

  run(next: Step): void {
    if (next.do === "read") this.#read(next.hidden, next.records);
    else if (next.do === "end") this.#meetEnd(next.hidden);
    else if (next.do === "take") this.#take(next.room);
    else if (next.do === "open") this.#openNext();
    else if (next.do === "finish") this.#finish(next.which);
    else if (next.do === "commit") this.#commit(next.acknowledged);
    else {
      this.owned.drop();
      this.#stopped = true;
    }
  }

  /** Everything that was read is handed over and ends. */
  settle(): void {
    while (this.owned.buffered > 0) this.#take(100);
    while (this.#taken.length > 0) this.#openNext();
    while (this.#open.length > 0) this.#finish(0);
    this.#commit(true);
    if (!this.#stopped && this.#end > 0) expect(this.owned.committed).to.equal(Math.max(this.#end, this.#next));
  }

  #read(hidden: number, records: number): void {
    this.#next += hidden;
    const offsets = Array.from({ length: records }, () => this.#next++);
    for (const offset of offsets) this.#unfinished.add(offset);
    const chunk = new FakeChunk(offsets.map((offset) => ({ ...PLACE, offset })));
    const fetched = new FetchedChunk(chunk, 1);
    // A session that has stopped lets the client read on for a while.
    if (this.#stopped) return;
    for (const run of chunk.runs()) {
      this.owned.reading.through(run.lastOffset);
      this.owned.add({ ...run, fetched });
    }
  }

  #meetEnd(hidden: number): void {
    this.#next += hidden;
    if (hidden === 0) return;
    this.#end = this.#next;
    this.owned.reading.reachEnd(this.#end);
  }

  #take(room: number): void {
    const run = this.owned.take(room);
    for (let index = run?.from ?? 0; index < (run?.to ?? 0); index++)
      this.#taken.push(run!.fetched.chunk.offset(index));
  }

  #openNext(): void {
    const offset = this.#taken.shift();
    if (offset !== undefined) this.#open.push({ offset, sequence: this.owned.open(offset, 0) });
  }

  #finish(which: number): void {
    const [claim] = this.#open.splice(which % Math.max(1, this.#open.length), 1);
    if (!claim) return;
    this.#unfinished.delete(claim.offset);
    this.owned.end(claim.sequence, claim.offset, "processed");
  }

  #commit(acknowledged: boolean): void {
    const watermark = this.owned.watermark(0);
    if (!watermark) return;
    expect(watermark.position).to.be.at.most(Math.min(...this.#unfinished, this.#next));
    if (acknowledged) this.owned.commitAcknowledged(watermark);
  }
}

describe("an owned partition whose client meets ends behind hidden records", () => {
  it("commits nothing above a record that was read and is not finished, and at last the end", () => {
    fc.assert(
      fc.property(life, (steps) => {
        const world = new World();
        for (const each of steps) world.run(each);
        world.settle();
      }),
      { numRuns: 2000 },
    );
  });
});
