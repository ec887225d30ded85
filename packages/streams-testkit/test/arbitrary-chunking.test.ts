import { Flow, Sink, Source } from "@millrace/streams";
import type { Chunk } from "@millrace/streams/stage";
import { arbitraryChunking, forSeeds, instrumented } from "@millrace/streams-testkit";
import { expect } from "chai";

const numbers = Array.from({ length: 200 }, (_, index) => index);

/** A stage that sees chunks, which no stage should depend on. */
const onChunks = (change: (chunk: Chunk<number>) => Chunk<number>): Flow<number, number> =>
  Flow.fromStage<number, number>({
    name: "onChunks",
    create: (upstream) => ({
      pull(wake) {
        const pulled = upstream.pull(wake);
        return typeof pulled === "symbol" ? pulled : change(pulled);
      },
      cancel: (cause) => upstream.cancel(cause),
    }),
  });

const sizesOf = async (seed: number): Promise<readonly number[]> => {
  const sizes: number[] = [];
  const elements = await Source.from(numbers)
    .withAttributes({ chunkElements: 16 })
    .via(
      onChunks((chunk) => {
        sizes.push(chunk.length);
        return chunk;
      }),
    )
    .runWith(Sink.toArray(), { wrap: arbitraryChunking(seed) });
  expect(elements).to.deep.equal(numbers);
  return sizes;
};

describe("arbitraryChunking", () => {
  it("finds a stage that depends on chunks", async () => {
    const broken = onChunks((chunk) => chunk.slice(0, 1));
    const results = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const elements = await Source.from(numbers)
        .via(broken)
        .runWith(Sink.toArray(), { wrap: arbitraryChunking(seed) });
      results.add(elements.join());
    }
    expect(results.size).to.be.greaterThan(1);
  });

  it("gives the same chunks for the same seed, and others for another", async () => {
    expect(await sizesOf(7)).to.deep.equal(await sizesOf(7));
    expect(await sizesOf(7)).not.to.deep.equal(await sizesOf(8));
  });

  it("splits and merges", async () => {
    const sizes = await sizesOf(7);
    expect(Math.min(...sizes)).to.be.lessThan(16);
    expect(Math.max(...sizes)).to.be.greaterThan(16);
  });

  it("delivers what precedes a failure, and the failure itself", async () => {
    const error = new Error("boom");
    const delivered: number[] = [];
    const source = Source.from(numbers).map((n) => {
      if (n === 50) throw error;
      return n;
    });
    const failure: unknown = await source
      .runWith(
        Sink.forEach((n) => void delivered.push(n)),
        instrumented({ seed: 3 }),
      )
      .catch((thrown: unknown) => thrown);
    expect(failure).to.equal(error);
    expect(delivered).to.deep.equal(numbers.slice(0, 50));
  });

  it("names the seed in what fails under it", async () => {
    const failure: unknown = await forSeeds(
      async ({ seed }) => {
        if (seed === 2) expect.fail("wrong");
      },
      [undefined, 1, 2],
    ).catch((thrown: unknown) => thrown);
    expect((failure as Error).message).to.equal("[seed 2] wrong");
  });
});
