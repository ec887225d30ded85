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

  for (const name of ["mapAsyncPartitioned", "mapAsyncPartitionedUnordered"] as const) {
    it(`keeps every element, the order of each key, one call per key and its bounds: ${name}`, () =>
      property(async (input, parallelism, delays, seed) => {
        const { call, most } = load(delays);
        // Some keys hot, some seen once.
        const keyOf = (n: number): number => Math.floor(((n * 7919) % 97) ** 0.4);
        const open = new Set<number>();
        let asked = 0;
        let started = 0;
        let mostWaiting = 0;
        const waiting = seed % 7;
        const flow = Flows.of<number>()[name](
          parallelism,
          (n) => {
            asked += 1;
            mostWaiting = Math.max(mostWaiting, asked - 1 - started);
            return keyOf(n);
          },
          async (n, key) => {
            started += 1;
            expect(open.has(key), "another call of the key is open").to.equal(false);
            open.add(key);
            await call(n);
            open.delete(key);
            return n;
          },
          { waiting },
        );
        const output = await run(flow, input, seed);
        if (name === "mapAsyncPartitioned") expect(output).to.deep.equal(input);
        else expect([...output].sort((a, b) => a - b)).to.deep.equal(input);
        for (const key of new Set(input.map(keyOf))) {
          const ofKey = (elements: readonly number[]): readonly number[] => elements.filter((n) => keyOf(n) === key);
          expect(ofKey(output)).to.deep.equal(ofKey(input));
        }
        expect(most()).to.be.at.most(parallelism);
        expect(mostWaiting).to.be.at.most(waiting);
      }));
  }

  it("uses all of its bound when there is enough to do", async () => {
    const flows = {
      mapAsync: (call: Load["call"]) => Flows.of<number>().mapAsync(7, call),
      mapAsyncUnordered: (call: Load["call"]) => Flows.of<number>().mapAsyncUnordered(7, call),
      mapAsyncPartitioned: (call: Load["call"]) => Flows.of<number>().mapAsyncPartitioned(7, (n) => n % 9, call),
      mapAsyncPartitionedUnordered: (call: Load["call"]) =>
        Flows.of<number>().mapAsyncPartitionedUnordered(7, (n) => n % 9, call),
    };
    for (const flowOf of Object.values(flows)) {
      const { call, most } = load([1]);
      const flow = flowOf(call);
      await run(
        flow,
        Array.from({ length: 50 }, (_, n) => n),
        1,
      );
      expect(most()).to.equal(7);
    }
  });
});
