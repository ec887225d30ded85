import { type Attributes, Flow, Join, Sink, Source } from "@millrace/streams";
import { assertAllClosed, settle, virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";

/** What comes behind one outlet of a fork. */
interface Branch {
  /** It wants no more than so many. */
  readonly wants: number;
  /** How long it works on each element. */
  readonly workMs: number;
}

type Tagged = readonly [branch: number, element: number];

const branchOf = ({ wants, workMs }: Branch, index: number, clock: VirtualClock): Flow<number, Tagged, unknown> =>
  Flow.of<number>()
    .mapAsync(1, async (n): Promise<Tagged> => {
      if (workMs > 0) await new Promise<void>((resolve) => void clock.schedule(workMs, resolve));
      return [index, n];
    })
    .take(wants);

const flowsOf = (
  branches: readonly Branch[],
  clock: VirtualClock,
): readonly [Flow<number, Tagged, unknown>, ...Flow<number, Tagged, unknown>[]] => {
  const [first, ...others] = branches.map((each, index) => branchOf(each, index, clock));
  if (!first) throw new RangeError("a fork has branches");
  return [first, ...others];
};

interface Fork {
  /** All that comes out of all branches. */
  readonly run: (
    source: Source<number>,
    branches: readonly Branch[],
    clock: VirtualClock,
  ) => Promise<readonly Tagged[]>;
  /** Whether the branch is given the element. */
  readonly gives: (element: number, branch: number, branches: number) => boolean;
}

const FORKS: Readonly<Record<string, Fork>> = {
  broadcast: {
    run: (source, branches, clock) =>
      source.broadcast(flowsOf(branches, clock), Join.merge<Tagged>()).runWith(Sink.toArray(), { clock }),
    gives: () => true,
  },
  partition: {
    run: (source, branches, clock) =>
      source
        .partition(flowsOf(branches, clock), (n) => n % branches.length, Join.merge<Tagged>())
        .runWith(Sink.toArray(), { clock }),
    gives: (element, branch, branches) => element % branches === branch,
  },
};

const branch = fc.record<Branch>({ wants: fc.integer({ min: 1, max: 9 }), workMs: fc.constantFrom(0, 0, 10, 30) });
const branches = fc.array(branch, { minLength: 2, maxLength: 5 });

describe("a fork, whichever of its branches leave at whatever moment", () => {
  for (const [name, fork] of Object.entries(FORKS)) {
    it(`gives the others all that is theirs, and comes to an end (${name})`, () =>
      fc.assert(
        fc.asyncProperty(branches, fc.nat(16), fc.integer({ min: 1, max: 4 }), async (given, count, chunkElements) => {
          const clock = virtualClock();
          const attributes: Attributes = { chunkElements };
          const input = Array.from({ length: count }, (_, n) => n);
          let out: readonly Tagged[] | undefined;
          await assertAllClosed(async () => {
            const running = fork.run(Source.from(input).withAttributes(attributes), given, clock);
            running.then((all) => (out = all)).catch(() => undefined);
            for (let turn = 0; turn < 200 && !out; turn++) {
              await settle();
              await clock.advance(10);
            }
            await clock.advance(1000);
          });
          expect(out, "the fork hangs").not.to.equal(undefined);
          given.forEach(({ wants }, index) => {
            const own = out?.filter(([of]) => of === index).map(([, element]) => element);
            const theirs = input.filter((element) => fork.gives(element, index, given.length)).slice(0, wants);
            expect(own, `branch ${index}`).to.deep.equal(theirs);
          });
        }),
        { numRuns: 150 },
      )).timeout(60_000);
  }
});
