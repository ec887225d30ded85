import { Sink, Source } from "@millrace/streams";
import { sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { eachSeed } from "../../support/runs.js";

describe("Source.failed", () => {
  it(
    "fails with its error, unchanged",
    eachSeed(async (options) => {
      for (const error of [new Error("no"), "text", undefined]) {
        expect(await Source.failed(error).runWith(sinkProbe(), options).expectError()).to.equal(error);
      }
    }),
  );

  it(
    "can be recovered from",
    eachSeed(async (options) => {
      const recovered = Source.failed<number>(new Error("no")).recover(() => 1);
      expect(await recovered.runWith(Sink.toArray(), options)).to.deep.equal([1]);
    }),
  );
});
