import { Flow, Sink, Source, Supervision } from "@millrace/streams";
import { assertAllClosed, instrumented, settle, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { Calls } from "../support/runs.js";

/** So many times each place of a window is used, at least. */
const ROUNDS = 10;
const cannot = new Error("cannot be done");

/** How the call of an element ends: by itself, or once the test says so. */
type Fate = "at once" | "throws" | "resolves" | "rejects";
const BY_ITSELF: readonly Fate[] = ["at once", "throws"];

interface Bounds {
  readonly parallelism: number;
  readonly waiting: number;
}

interface Case extends Bounds {
  readonly keys: number;
  /** Of the elements in turn. */
  readonly fates: readonly Fate[];
  /** Which of the open calls end next, together. */
  readonly rounds: readonly (readonly number[])[];
}

type Call = (n: number) => number | Promise<number>;

interface Stage {
  readonly through: (bounds: Bounds, key: (n: number) => number, call: Call) => Flow<number, number>;
  /** Of the input that has not left. */
  readonly places: (bounds: Bounds) => number;
  readonly keyed?: true;
}

const flow = Flow.of<number>();
const ENDLESS = (): number => Number.POSITIVE_INFINITY;

const STAGES: Readonly<Record<string, Stage>> = {
  mapAsync: {
    through: ({ parallelism }, _, call) => flow.mapAsync(parallelism, call),
    places: ({ parallelism }) => parallelism,
  },
  mapAsyncUnordered: {
    through: ({ parallelism }, _, call) => flow.mapAsyncUnordered(parallelism, call),
    places: ENDLESS,
  },
  mapAsyncPartitioned: {
    through: ({ parallelism, waiting }, key, call) => flow.mapAsyncPartitioned(parallelism, key, call, { waiting }),
    places: ({ parallelism, waiting }) => parallelism + waiting,
    keyed: true,
  },
  mapAsyncPartitionedUnordered: {
    through: ({ parallelism, waiting }, key, call) =>
      flow.mapAsyncPartitionedUnordered(parallelism, key, call, { waiting }),
    places: ENDLESS,
    keyed: true,
  },
};

/** What a window with lists for its rings would do. */
class Model {
  readonly started: number[] = [];
  readonly left: number[] = [];
  /** Has a call that ends when the test says so, in the order of the calls. */
  readonly open: number[] = [];
  readonly #stage: Stage;
  readonly #bounds: Bounds;
  readonly #fateOf: (n: number) => Fate;
  readonly #keyOf: (n: number) => number;
  readonly #size: number;
  /** Taken in, in order: those behind one that has not ended have not left, where the order is kept. */
  #places: { readonly n: number; ended?: "well" | "badly" }[] = [];
  #waiting: number[] = [];
  #next = 0;

  constructor(stage: Stage, bounds: Bounds, size: number, fateOf: (n: number) => Fate, keyOf: (n: number) => number) {
    this.#stage = stage;
    this.#bounds = bounds;
    this.#size = size;
    this.#fateOf = fateOf;
    // Without keys each element has one of its own.
    this.#keyOf = stage.keyed ? keyOf : (n) => n;
    this.#admit();
  }

  /** These calls end, one after the other, before any other begins. */
  end(elements: readonly number[]): void {
    for (const n of elements) {
      this.open.splice(this.open.indexOf(n), 1);
      this.#ended(n);
    }
    for (const n of elements) this.#goOn(this.#keyOf(n));
    this.#admit();
  }

  #goOn(key: number): void {
    for (;;) {
      const next = this.#waiting.find((n) => this.#keyOf(n) === key);
      if (next === undefined) return;
      this.#waiting = this.#waiting.filter((n) => n !== next);
      this.#start(next);
      if (this.open.includes(next)) return;
    }
  }

  #admit(): void {
    const { parallelism, waiting } = this.#bounds;
    for (; this.#next < this.#size; this.#next++) {
      const n = this.#next;
      if (this.open.length >= parallelism || this.#places.length >= this.#stage.places(this.#bounds)) return;
      const busy = this.open.some((other) => this.#keyOf(other) === this.#keyOf(n));
      if (busy && this.#waiting.length >= waiting) return;
      // Without keys, one that fails at once has never had a place.
      if (this.#stage.keyed || this.#fateOf(n) !== "throws") this.#places.push({ n });
      if (busy) this.#waiting.push(n);
      else this.#start(n);
    }
  }

  #start(n: number): void {
    this.started.push(n);
    if (BY_ITSELF.includes(this.#fateOf(n))) this.#ended(n);
    else this.open.push(n);
  }

  #ended(n: number): void {
    const fate = this.#fateOf(n);
    const ended = fate === "at once" || fate === "resolves" ? "well" : "badly";
    this.#places = this.#places.map((place) => (place.n === n ? { n, ended } : place));
    if (this.#stage.places === ENDLESS) {
      this.#places = [];
      if (ended === "well") this.left.push(n);
      return;
    }
    const unfinished = this.#places.findIndex((place) => place.ended === undefined);
    const gone = this.#places.splice(0, unfinished === -1 ? this.#places.length : unfinished);
    for (const place of gone) if (place.ended === "well") this.left.push(place.n);
  }
}

/** Ends calls until all have, and compares the stage with the model after each time. */
const play = async (stage: Stage, { keys, fates, rounds, ...bounds }: Case): Promise<void> => {
  const size = ROUNDS * (bounds.parallelism + bounds.waiting);
  const fateOf = (n: number): Fate => fates[n % fates.length] as Fate;
  const keyOf = (n: number): number => ((n * 7919) % 97) % keys;
  const calls = new Calls<number>();
  const received: number[] = [];
  const call: Call = (n) => {
    const promise = calls.call(n);
    const fate = fateOf(n);
    if (fate === "throws") throw cannot;
    return fate === "at once" ? n : promise;
  };
  const options = { ...instrumented(), clock: virtualClock() };
  const done = Source.from(Array.from({ length: size }, (_, n) => n))
    .via(stage.through(bounds, keyOf, call))
    .withAttributes({ supervision: Supervision.resumingDecider })
    .runWith(
      Sink.forEach((n) => void received.push(n)),
      options,
    );
  const model = new Model(stage, bounds, size, fateOf, keyOf);
  const compare = async (): Promise<void> => {
    await settle();
    expect(calls.started, "calls begun").to.deep.equal(model.started);
    expect(received, "results that left").to.deep.equal(model.left);
  };
  await compare();
  for (let round = 0; model.open.length > 0; round++) {
    const among = [...model.open];
    const picks = rounds[round % rounds.length] as readonly number[];
    const ending = picks.flatMap((pick) => (among.length > 0 ? among.splice(pick % among.length, 1) : []));
    for (const n of ending) {
      if (fateOf(n) === "resolves") calls.resolve(n);
      else calls.reject(n, cannot);
    }
    model.end(ending);
    await compare();
  }
  await done;
  expect(model.started).to.have.length(size);
  options.verify();
};

const cases: fc.Arbitrary<Case> = fc.record({
  parallelism: fc.integer({ min: 1, max: 9 }),
  waiting: fc.nat(7),
  keys: fc.integer({ min: 1, max: 20 }),
  fates: fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fate>("resolves") },
      { weight: 2, arbitrary: fc.constant<Fate>("rejects") },
      { weight: 2, arbitrary: fc.constant<Fate>("at once") },
      { weight: 1, arbitrary: fc.constant<Fate>("throws") },
    ),
    { minLength: 1, maxLength: 40, size: "max" },
  ),
  rounds: fc.array(fc.array(fc.nat(8), { minLength: 1, maxLength: 5, size: "max" }), {
    minLength: 1,
    maxLength: 30,
    size: "max",
  }),
});

describe("a window of asynchronous calls, long after its first parallelism elements", () => {
  for (const [name, stage] of Object.entries(STAGES)) {
    it(`begins each call and lets each result go as early as at first, whatever fails on the way: ${name}`, () =>
      assertAllClosed(() =>
        fc.assert(
          fc.asyncProperty(cases, (one) => play(stage, one)),
          { numRuns: 60 },
        ),
      ));
  }
});
