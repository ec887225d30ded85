import { Flow, Sink, Source } from "@millrace/streams";
import type { Pull, Stage } from "@millrace/streams/stage";
import { forSeeds, SEEDS } from "@millrace/streams-testkit";
import { expect } from "chai";

describe("forSeeds", () => {
  it("runs plain, behind a synchronous stage whose chunks may be changed in place, checked and re-chunked", async () => {
    const upstreams: string[] = [];
    const watching: Stage<number, number> = {
      name: "watching",
      create(upstream: Pull<number>) {
        upstreams.push(upstream.constructor.name);
        return upstream;
      },
    };
    await forSeeds(async (options) => {
      const source = Source.from([1, 2, 3]).via(Flow.fromStage(watching));
      expect(await source.runWith(Sink.toArray(), options)).to.deep.equal([1, 2, 3]);
    });
    const wrapped = SEEDS.map(() => "CheckedPull");
    expect(upstreams).to.deep.equal(["Object", "ChunkPull", ...wrapped]);
  });
});
