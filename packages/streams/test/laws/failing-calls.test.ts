import { FlowWithContext, Keep, type Source, SourceWithContext, type WithClaim } from "@millrace/streams";
import { settle, type SinkProbe, sinkProbe, type SourceProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { Calls } from "../support/runs.js";
import { recordingClaims } from "../with-context/recording-claims.js";

type Call = (n: number) => Promise<number>;

/** What the stages under test have in common on both surfaces. */
interface Stages<Self> {
  mapAsync(parallelism: number, f: Call): Self;
  mapAsyncUnordered(parallelism: number, f: Call): Self;
  mapAsyncPartitioned(parallelism: number, key: (n: number) => number, f: Call): Self;
  mapAsyncPartitionedUnordered(parallelism: number, key: (n: number) => number, f: Call): Self;
}

interface Row {
  readonly through: <Self extends Stages<Self>>(stream: Self, call: Call) => Self;
  readonly unordered?: true;
}

/** More than there are elements: the stage always waits for upstream, and learns at once that it has failed. */
const PARALLELISM = 16;
const itself = (n: number): number => n;
const half = (n: number): number => n % 2;

const STAGES: Readonly<Record<string, Row>> = {
  mapAsync: { through: (stream, call) => stream.mapAsync(PARALLELISM, call) },
  mapAsyncUnordered: { through: (stream, call) => stream.mapAsyncUnordered(PARALLELISM, call), unordered: true },
  mapAsyncPartitioned: { through: (stream, call) => stream.mapAsyncPartitioned(PARALLELISM, itself, call) },
  "mapAsyncPartitioned, two keys": { through: (stream, call) => stream.mapAsyncPartitioned(PARALLELISM, half, call) },
  mapAsyncPartitionedUnordered: {
    through: (stream, call) => stream.mapAsyncPartitionedUnordered(PARALLELISM, itself, call),
    unordered: true,
  },
  "mapAsyncPartitionedUnordered, two keys": {
    through: (stream, call) => stream.mapAsyncPartitionedUnordered(PARALLELISM, half, call),
    unordered: true,
  },
};

type Numbers = Source<number, SourceProbe<number>>;

const SURFACES: Readonly<Record<string, (row: Row, call: Call) => Numbers>> = {
  plain: ({ through }, call) => through<Numbers>(sourceProbe<number>(), call),
  "with context": ({ through }, call) => {
    const claims = recordingClaims();
    const cells = sourceProbe<number>().map((value): WithClaim<number> => ({ value, claim: claims.open() }));
    const flow = through<FlowWithContext<number, number>>(FlowWithContext.of<number>(), call);
    return SourceWithContext.fromSource(cells).via(flow).discardContext();
  },
};

/** What happens next: an open call ends one way or the other, upstream fails, or downstream, which is busy, asks. */
interface Step {
  readonly what: "resolve" | "reject" | "upstream fails" | "downstream asks";
  /** Which of the open calls. */
  readonly pick: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Step["what"]>("resolve") },
    { weight: 3, arbitrary: fc.constant<Step["what"]>("reject") },
    { weight: 1, arbitrary: fc.constant<Step["what"]>("upstream fails") },
    { weight: 2, arbitrary: fc.constant<Step["what"]>("downstream asks") },
  ),
  pick: fc.nat(20),
});

/** Plays the steps and knows by itself what may leave: the results that could have left when the first failure came. */
class Play {
  readonly calls = new Calls<number>();
  readonly #source: SourceProbe<number>;
  readonly #ended: Promise<void>;
  readonly #sink: SinkProbe<number>;
  readonly #unordered: boolean;
  readonly #input: readonly number[];
  readonly #settled = new Set<number>();
  readonly #resolved: number[] = [];
  failure: unknown;

  constructor(row: Row, surface: (row: Row, call: Call) => Numbers, length: number) {
    this.#input = Array.from({ length }, (_, n) => n);
    this.#unordered = row.unordered === true;
    [[this.#source, this.#ended], this.#sink] = surface(row, this.calls.call)
      .watchTermination((source, ended): readonly [SourceProbe<number>, Promise<void>] => [source, ended])
      .toMat(sinkProbe<number>(), Keep.both)
      .run();
    this.#source.sendChunk(this.#input);
    // No call begins before; then downstream is busy with the first result until it asks again.
    this.#sink.request();
  }

  get wanted(): readonly number[] {
    if (this.#unordered) return this.#resolved;
    const unfinished = this.#input.findIndex((n) => !this.#resolved.includes(n));
    return unfinished === -1 ? this.#input : this.#input.slice(0, unfinished);
  }

  async play({ what, pick }: Step): Promise<void> {
    if (what === "upstream fails") this.#failUpstream();
    else if (what === "downstream asks") this.#sink.request();
    else this.#settle(what, pick);
    await settle(2);
  }

  /** Downstream asks until there is nothing more. */
  async rest(): Promise<{ readonly received: readonly number[]; readonly error: unknown }> {
    for (let asked = 0; asked <= this.#input.length && this.#sink.state === "open"; asked++) {
      this.#sink.request();
      await settle(2);
    }
    this.#sink.cancel();
    const error: unknown = await this.#ended.catch((failure: unknown) => failure);
    return { received: this.#sink.received, error };
  }

  #failUpstream(): void {
    const error = new Error("upstream");
    this.#source.fail(error);
    this.failure ??= error;
  }

  #settle(what: "resolve" | "reject", pick: number): void {
    const open = this.calls.started.filter((n) => !this.#settled.has(n));
    const n = open[pick % Math.max(1, open.length)];
    if (n === undefined) return;
    this.#settled.add(n);
    if (what === "resolve") {
      if (this.failure === undefined) this.#resolved.push(n);
      this.calls.resolve(n);
      return;
    }
    const error = new Error(`call ${n}`);
    this.failure ??= error;
    this.calls.reject(n, error);
  }
}

describe("a stage with asynchronous calls that has failed", () => {
  for (const [surface, streamOf] of Object.entries(SURFACES)) {
    for (const [name, row] of Object.entries(STAGES)) {
      it(`gives what could leave before its first failure and nothing else, whatever settles later: ${name}, ${surface}`, () =>
        fc.assert(
          fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 12 }), async (length, steps) => {
            const play = new Play(row, streamOf, length);
            await settle(2);
            for (const each of steps) await play.play(each);
            const { received, error } = await play.rest();
            expect(received).to.deep.equal(play.wanted);
            expect(error).to.equal(play.failure);
          }),
          {
            numRuns: 150,
            examples: [
              [
                5,
                [
                  { what: "resolve", pick: 0 },
                  { what: "reject", pick: 2 },
                  { what: "resolve", pick: 1 },
                  { what: "reject", pick: 0 },
                ],
              ],
            ],
          },
        ));
    }
  }
});
