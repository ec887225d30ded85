import { type Flow, Flow as Flows, Sink, Source } from "@millrace/streams";
import { nextTurn, soon } from "@millrace/streams/stage";
import { assertAllClosed, instrumented } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";

interface Load {
  readonly call: (n: number) => number | Promise<number>;
  readonly most: () => number;
}

/** A user function that settles after what `delays` says: at once, after some microtasks, or after a turn. */
const load = (delays: readonly number[]): Load => {
  let open = 0;
  let most = 0;
  const settled = (n: number): number => {
    open -= 1;
    return n;
  };
  return {
    most: () => most,
    call(n) {
      open += 1;
      most = Math.max(most, open);
      const delay = delays[n % delays.length] ?? 0;
      if (delay === 0) return settled(n);
      if (delay === 1) return new Promise((resolve) => nextTurn(() => resolve(settled(n))));
      return new Promise((resolve) => {
        let left = delay;
        const step = (): void => {
          left -= 1;
          if (left === 0) resolve(settled(n));
          else soon(step);
        };
        soon(step);
      });
    },
  };
};

const property = (
  verify: (input: readonly number[], parallelism: number, delays: readonly number[], seed: number) => Promise<void>,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(
      fc.nat(80).map((length) => Array.from({ length }, (_, n) => n)),
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat(6), { minLength: 1, maxLength: 20 }),
      fc.nat(1_000_000),
      verify,
    ),
    { numRuns: 150 },
  );

const run = async (flow: Flow<number, number>, input: readonly number[], seed: number): Promise<readonly number[]> => {
  const options = instrumented({ seed });
  const output = await assertAllClosed(() => Source.from(input).via(flow).runWith(Sink.toArray(), options));
  options.verify();
  return output;
};

describe("an asynchronous operator", () => {
  it("keeps the order and its bound: mapAsync", () =>
    property(async (input, parallelism, delays, seed) => {
      const { call, most } = load(delays);
      expect(await run(Flows.of<number>().mapAsync(parallelism, call), input, seed)).to.deep.equal(input);
      expect(most()).to.be.at.most(parallelism);
    }));

  it("keeps every element and its bound: mapAsyncUnordered", () =>
    property(async (input, parallelism, delays, seed) => {
      const { call, most } = load(delays);
      const output = await run(Flows.of<number>().mapAsyncUnordered(parallelism, call), input, seed);
      expect([...output].sort((a, b) => a - b)).to.deep.equal(input);
      expect(most()).to.be.at.most(parallelism);
    }));

  it("uses all of its bound when there is enough to do", async () => {
    for (const operator of ["mapAsync", "mapAsyncUnordered"] as const) {
      const { call, most } = load([1]);
      const flow = Flows.of<number>()[operator](7, call);
      await run(
        flow,
        Array.from({ length: 50 }, (_, n) => n),
        1,
      );
      expect(most()).to.equal(7);
    }
  });
});
