import type { ConsumerClient } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { SharedReader } from "../../../src/consumer/shared/shared-reader.js";
import { FakeConsumer } from "../../support/fake-consumer.js";

const PARTITIONS = 6;
const VIEWS = 3;
const BOUND = 8;
const READ = 5;

type Step =
  | { readonly do: "give"; readonly partition: number; readonly count: number }
  | { readonly do: "poll"; readonly view: number; readonly maxRecords: number }
  | { readonly do: "pause" | "resume"; readonly partition: number }
  | { readonly do: "seek"; readonly partition: number; readonly back: number }
  | { readonly do: "commit"; readonly view: number };

const partition = fc.nat(PARTITIONS - 1);
const view = fc.nat(VIEWS - 1);
const step = fc.oneof<fc.Arbitrary<Step>[]>(
  fc.record({ do: fc.constant("give"), partition, count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ do: fc.constant("poll"), view, maxRecords: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ do: fc.constant("poll"), view, maxRecords: fc.constant(1) }),
  fc.record({ do: fc.constantFrom("pause", "resume"), partition }),
  fc.record({ do: fc.constant("seek"), partition, back: fc.nat(5) }),
  fc.record({ do: fc.constant("commit"), view }),
);

/** Which view reads a partition: all have two, so that none is without. */
const ownerOf = (each: number): number => each % VIEWS;
const place = (each: number) => ({ topic: "t", partition: each });

/** A log for each partition behind a client at hand, and what each view should be given next. */
class Bench {
  readonly client: FakeConsumer;
  readonly views: readonly ConsumerClient[];
  readonly #reader: SharedReader;
  readonly #ends: number[] = Array.from({ length: PARTITIONS }, () => 0);
  readonly next: number[] = Array.from({ length: PARTITIONS }, () => 0);
  readonly paused = new Set<number>();
  readonly commits: Promise<void>[] = [];

  constructor() {
    const clients: FakeConsumer[] = [];
    this.#reader = new SharedReader({
      open: (listener) => {
        const client = new FakeConsumer({}, listener);
        clients.push(client);
        return client;
      },
      maxPollRecords: READ,
      maxBufferedRecords: BOUND,
      maxBufferedBytes: 2 ** 20,
      counts: { polls: 0, commits: 0 },
      onWarning: () => expect.fail(),
      onEnd: () => expect.fail(),
    });
    this.client = clients[0] as FakeConsumer;
    this.views = Array.from({ length: VIEWS }, () =>
      this.#reader.view({ onAssign: () => expect.fail(), onRevoke: () => expect.fail(), onError: () => expect.fail() }),
    );
  }

  async begin(): Promise<void> {
    await Promise.all(this.views.map((each) => each.connect()));
    this.views.forEach((each, owner) => {
      const partitions = this.next.flatMap((_, index) => (ownerOf(index) === owner ? [place(index)] : []));
      each.subscribe({ kind: "assignment", partitions });
    });
    await new Promise(setImmediate);
  }

  give(each: number, count: number): void {
    const from = this.#ends[each] as number;
    this.#ends[each] = from + count;
    this.client.give(Array.from({ length: count }, (_, index) => ({ ...place(each), offset: from + index })));
  }

  async poll(owner: number, maxRecords: number): Promise<void> {
    const chunk = await this.views[owner]?.poll({ maxRecords, waitMs: 1 });
    if (!chunk) return;
    expect(chunk.length).to.be.within(1, maxRecords);
    for (const run of chunk.runs()) {
      expect(ownerOf(run.partition)).to.equal(owner);
      expect(this.paused).not.to.include(run.partition);
      for (let index = run.from; index < run.to; index++) {
        expect([chunk.partition(index), chunk.offset(index)]).to.deep.equal([run.partition, this.next[run.partition]]);
        (this.next[run.partition] as number) += 1;
      }
      expect(run.lastOffset).to.equal((this.next[run.partition] as number) - 1);
    }
    chunk.release();
    expect(() => chunk.offset(0)).to.throw(RangeError);
  }

  setPaused(each: number, paused: boolean): void {
    if (paused) this.paused.add(each);
    else this.paused.delete(each);
    this.views[ownerOf(each)]?.[paused ? "pause" : "resume"]([place(each)]);
  }

  /** The client forgets what it was given of the partition, so it is given again. */
  async seek(each: number, back: number): Promise<void> {
    const offset = Math.max(0, (this.next[each] as number) - back);
    const end = this.#ends[each] as number;
    this.client.onSeek = () => {
      setImmediate(() => {
        this.#ends[each] = offset;
        this.give(each, Math.max(1, end - offset));
      });
    };
    await this.views[ownerOf(each)]?.seek([{ ...place(each), offset }], 1000);
    this.next[each] = offset;
    await new Promise(setImmediate);
  }

  commit(owner: number): void {
    const positions = [{ ...place(owner), offset: this.next[owner] as number }];
    this.commits.push((this.views[owner] as ConsumerClient).commit(positions));
  }

  get buffered(): number {
    return this.#reader.buffered;
  }

  async end(): Promise<void> {
    for (const each of this.paused) this.setPaused(each, false);
    for (let round = 0; round < 1000 && this.next.some((next, each) => next < (this.#ends[each] as number)); round++) {
      for (let owner = 0; owner < VIEWS; owner++) await this.poll(owner, 7);
    }
    expect(this.next).to.deep.equal(this.#ends);
    let answered = false;
    void Promise.all(this.commits).then(() => (answered = true));
    for (let round = 0; round < 1000 && !answered; round++) await this.poll(round % VIEWS, 1);
    expect(answered).to.equal(true);
    await Promise.all(this.views.map((each) => each.close()));
    expect(this.buffered).to.equal(0);
    expect(this.client.violations).to.deep.equal([]);
  }
}

describe("views of a shared client", function () {
  this.timeout(60_000);

  it("are given the records of their partitions, all of them and in order, and no others", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const bench = new Bench();
        await bench.begin();
        for (const each of steps) {
          if (each.do === "give") bench.give(each.partition, each.count);
          else if (each.do === "poll") await bench.poll(each.view, each.maxRecords);
          else if (each.do === "seek") await bench.seek(each.partition, each.back);
          else if (each.do === "commit") bench.commit(each.view);
          else bench.setPaused(each.partition, each.do === "pause");
          // The bound of each partition, and one read more.
          expect(bench.buffered).to.be.at.most(PARTITIONS * (BOUND + READ));
        }
        await bench.end();
      }),
      { numRuns: 60 },
    );
  });

  it("poll side by side without disturbing one another", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(partition, fc.integer({ min: 1, max: 9 })), { maxLength: 20 }),
        async (all) => {
          const bench = new Bench();
          await bench.begin();
          for (const [each, count] of all) {
            bench.give(each, count);
            await Promise.all(bench.views.map((_, owner) => bench.poll(owner, 3)));
          }
          await bench.end();
        },
      ),
      { numRuns: 40 },
    );
  });
});
