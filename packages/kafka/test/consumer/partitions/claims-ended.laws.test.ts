import { settle, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import type { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { ClaimsEnded } from "../../../src/consumer/partitions/claims-ended.js";

const TIMEOUT_MS = 100;

type Step =
  | { readonly do: "finish"; readonly partition: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "over" };

const step = fc.oneof<fc.Arbitrary<Step>[]>(
  fc.record({ do: fc.constant("finish"), partition: fc.nat(4) }),
  fc.record({ do: fc.constant("finish"), partition: fc.nat(4) }),
  fc.record({ do: fc.constant("advance"), ms: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ do: fc.constant("over") }),
);

describe("a revocation of partitions with work in flight", () => {
  it("waits until each of them has none, or its time is over, or nobody is left to end any", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(2), { minLength: 1, maxLength: 5 }),
        fc.array(step, { maxLength: 15 }),
        async (inFlight, steps) => {
          const clock = virtualClock();
          const claimsEnded = new ClaimsEnded(clock, TIMEOUT_MS);
          const left = [...inFlight];
          const revoked = left.map((_, index) => ({
            get isIdle(): boolean {
              return left[index] === 0;
            },
          })) as unknown as readonly OwnedPartition[];
          let [now, over, ended] = [0, false, false];
          void claimsEnded.untilEnded(revoked, () => over).then(() => (ended = true));
          claimsEnded.check();
          for (const each of steps) {
            if (each.do === "advance") {
              await clock.advance(each.ms);
              now += each.ms;
            } else {
              if (each.do === "over") over = true;
              else left[each.partition] = Math.max(0, (left[each.partition] ?? 0) - 1);
              claimsEnded.check();
            }
            await settle();
            const isDue = over || now >= TIMEOUT_MS || left.slice(0, inFlight.length).every((count) => count === 0);
            if (isDue || ended) {
              expect({ ended, isDue }).to.deep.equal({ ended: true, isDue: true });
              break;
            }
            expect(claimsEnded.waiting).to.equal(true);
          }
          await clock.advance(TIMEOUT_MS);
          expect(ended).to.equal(true);
          expect(claimsEnded.waiting, "nothing is left behind").to.equal(false);
        },
      ),
      { numRuns: 200 },
    ));

  for (const settles of ["resolves", "rejects"] as const) {
    it(`waits for a last commit that ${settles}, and no longer than its time for one that does neither`, async () => {
      const clock = virtualClock();
      const claimsEnded = new ClaimsEnded(clock, TIMEOUT_MS);
      let done = false;
      const work = settles === "resolves" ? Promise.resolve() : Promise.reject(new Error("refused"));
      await claimsEnded.within(50, work);
      void claimsEnded.within(50, new Promise(() => undefined)).then(() => (done = true));
      await clock.advance(49);
      expect(done).to.equal(false);
      await clock.advance(1);
      expect(done).to.equal(true);
    });
  }
});
