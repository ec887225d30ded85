import { type BoundedSourceQueue, Sink, Source, Supervision } from "@millrace/streams";
import { nextTurn, type Pull } from "@millrace/streams/stage";
import { expect } from "chai";

type Numbers = Source<number, BoundedSourceQueue<number>>;

/** Whether all outlets of a running chain, asked one after another, say that nothing is held. */
class Chain {
  readonly queue: BoundedSourceQueue<number>;
  readonly #outlets: Pull<unknown>[] = [];

  constructor(stages: (source: Numbers) => Source<unknown, BoundedSourceQueue<number>>) {
    const wrap = <A>(outlet: Pull<A>): Pull<A> => {
      this.#outlets.push(outlet);
      return outlet;
    };
    const stream = stages(Source.queue<number>(16)).to(Sink.forEach(() => undefined));
    this.queue = stream.run({ wrap });
  }

  async given(...elements: readonly number[]): Promise<boolean> {
    for (const element of elements) this.queue.offer(element);
    for (let turn = 0; turn < 5; turn++) await new Promise<void>(nextTurn);
    let at: Pull<unknown> | undefined = this.#outlets.at(-1);
    while (at && at !== this.#outlets[0]) at = at.passed?.();
    return at !== undefined;
  }
}

const keyed = { parallelism: 2, partition: (n: number) => n % 2 };
/** Open calls by element. */
class Work {
  readonly #open = new Map<number, (n: number) => void>();
  readonly call = (n: number): Promise<number> => new Promise((resolve) => this.#open.set(n, resolve));
  end(n: number): void {
    this.#open.get(n)?.(n);
  }
}

describe("what a stage says of what it holds", () => {
  const windows: Readonly<Record<string, (source: Numbers, work: Work) => ReturnType<Numbers["map"]>>> = {
    mapAsync: (source, { call }) => source.mapAsync(2, call),
    mapAsyncUnordered: (source, { call }) => source.mapAsyncUnordered(2, call),
    mapAsyncPartitioned: (source, { call }) => source.mapAsyncPartitioned(keyed.parallelism, keyed.partition, call),
    mapAsyncPartitionedUnordered: (source, { call }) =>
      source.mapAsyncPartitionedUnordered(keyed.parallelism, keyed.partition, call),
  };
  for (const [name, stages] of Object.entries(windows)) {
    it(`is something in ${name} while a call is open or an element waits for one, though it asks upstream for more`, async () => {
      const work = new Work();
      const chain = new Chain((source) => stages(source, work).map((n) => n));
      expect(await chain.given()).to.equal(true);
      expect(await chain.given(1)).to.equal(false);
      expect(await chain.given(3, 5)).to.equal(false);
      for (const n of [1, 3]) {
        work.end(n);
        expect(await chain.given()).to.equal(false);
      }
      work.end(5);
      expect(await chain.given()).to.equal(true);
      chain.queue.complete();
    });
  }

  it("is something where an earlier result waits behind a later one", async () => {
    const work = new Work();
    const chain = new Chain((source) => source.mapAsync(4, work.call));
    await chain.given(1, 2);
    work.end(2);
    expect(await chain.given()).to.equal(false);
    work.end(1);
    expect(await chain.given()).to.equal(true);
    chain.queue.complete();
  });

  it("is nothing where elements were dropped by a predicate or a decider, in place", async () => {
    const chain = new Chain((source) =>
      source
        .filter((n) => n > 1)
        .filterNot((n) => n > 2)
        .map((n) => {
          if (n === 2) throw new Error("two");
          return n;
        })
        .watchTermination((queue) => queue)
        .withAttributes({ supervision: Supervision.resumingDecider }),
    );
    expect(await chain.given(1, 2, 3)).to.equal(true);
    chain.queue.complete();
  });

  it("may be something where a function answered nothing for the last element, until it answers something", async () => {
    const collecting = new Chain((source) => source.collect((n) => (n % 2 ? undefined : n)));
    const filtering = new Chain((source) => source.map((n) => (n % 2 ? undefined : n)).filter((n) => n !== undefined));
    for (const chain of [collecting, filtering]) {
      expect(await chain.given(1)).to.equal(false);
      expect(await chain.given(3, 4)).to.equal(true);
      expect(await chain.given(6, 5)).to.equal(false);
      chain.queue.complete();
    }
  });

  const unknown: Readonly<Record<string, (source: Numbers) => Source<unknown, BoundedSourceQueue<number>>>> = {
    grouped: (source) => source.grouped(2),
    mapConcat: (source) => source.mapConcat((n) => [n]),
    statefulMap: (source) =>
      source.statefulMap(
        () => 0,
        (sum, n) => [sum + n, sum],
      ),
    scan: (source) => source.scan(0, (sum, n) => sum + n),
    batch: (source) =>
      source.batch(
        2,
        (n) => [n],
        (all, n) => [...all, n],
      ),
    alsoTo: (source) => source.alsoTo(Sink.ignore),
    merge: (source) => source.merge(Source.empty()),
  };
  for (const [name, stages] of Object.entries(unknown)) {
    it(`is not known of ${name}, even where it holds nothing`, async () => {
      const chain = new Chain(stages);
      expect(await chain.given()).to.equal(false);
      expect(await chain.given(1, 2)).to.equal(false);
      chain.queue.complete();
    });
  }
});
