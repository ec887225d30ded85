import { Sink, Source } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";

/** The whole 10^8 run is `benchmarks/src/memory.ts`; a leak of one word per element would show here as 80 MB. */
const ELEMENTS = 10_000_000;

const LIMIT_MB = 40;

/** Resident memory has what the heap was given and has not used yet as well: a young generation that has grown, above all. */
const RESIDENT_LIMIT_MB = 75;

const SAMPLE_EVERY = 1_000_000;

describe("memory", () => {
  it("stays flat while ten million elements pass ten stages", async function () {
    this.timeout(60_000);
    globalThis.gc?.();
    const before = process.memoryUsage();
    const peak = { heapUsed: 0, rss: 0 };
    let seen = 0;
    const sum = await assertAllClosed(() =>
      Source.unfold(0, (n) => (n === ELEMENTS ? undefined : [n + 1, n]))
        .map((n) => n + 1)
        .filter(() => true)
        .map((n) => n - 1)
        .collect((n) => n)
        .filterNot(() => false)
        .mapConcat((n) => [n])
        .takeWhile(() => true)
        .drop(1)
        .take(ELEMENTS)
        .scan(0, (_state, n) => n)
        .runWith(
          Sink.fold(0, (count) => {
            seen += 1;
            if (seen % SAMPLE_EVERY === 0) {
              // What is merely not collected yet depends on the tests that ran before.
              globalThis.gc?.();
              const { heapUsed, rss } = process.memoryUsage();
              peak.heapUsed = Math.max(peak.heapUsed, heapUsed);
              peak.rss = Math.max(peak.rss, rss);
            }
            return count + 1;
          }),
        ),
    );
    expect(sum).to.equal(ELEMENTS);
    expect((peak.heapUsed - before.heapUsed) / 2 ** 20, "MB of heap above the start").to.be.lessThan(LIMIT_MB);
    expect((peak.rss - before.rss) / 2 ** 20, "MB resident above the start").to.be.lessThan(RESIDENT_LIMIT_MB);
    globalThis.gc?.();
    expect((process.memoryUsage().heapUsed - before.heapUsed) / 2 ** 20, "MB kept after the run").to.be.lessThan(10);
  });
});
