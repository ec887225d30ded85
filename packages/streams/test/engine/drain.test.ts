import { Flow, Sink, Source } from "@millrace/streams";
import { WAIT, type Wake } from "@millrace/streams/stage";
import { assertAllClosed, forSeeds, settle } from "@millrace/streams-testkit";
import { expect } from "chai";

/** Elements whose clean-up throws. */
const uncleanly = (error: Error): Iterable<number> => ({
  *[Symbol.iterator]() {
    try {
      for (let n = 1; ; n++) yield n;
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: the unsafe generator is what the test is about
      throw error;
    }
  },
});

describe("draining", () => {
  it("fails the sink with what the clean-up of a source throws", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const error = new Error("clean-up");
        const source = Source.from(uncleanly(error));
        const failure = (end: Promise<unknown>): Promise<unknown> => end.catch((caught: unknown) => caught);
        expect(await failure(source.runWith(Sink.head(), options))).to.equal(error);
        expect(await failure(source.take(2).runWith(Sink.toArray(), options))).to.equal(error);
      }),
    ));

  it("keeps the sink's failure although the clean-up of a source throws", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const own = new Error("sink");
        const failing = Sink.forEach<number>(() => {
          throw own;
        });
        const source = Source.from(uncleanly(new Error("clean-up")));
        const failure: unknown = await source.runWith(failing, options).catch((error: unknown) => error);
        expect(failure).to.equal(own);
      }),
    ));

  it("keeps a stage's failure although the clean-up of a source throws", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        const own = new Error("stage");
        const failing = Flow.of<number>().map((n): number => {
          if (n === 2) throw own;
          return n;
        });
        const source = Source.from(uncleanly(new Error("clean-up")));
        const failure: unknown = await source
          .via(failing)
          .runWith(Sink.ignore, options)
          .catch((error: unknown) => error);
        expect(failure).to.equal(own);
      }),
    ));

  it("settles the sink although a stage is broken and throws when it is cancelled", () =>
    assertAllClosed(async () => {
      const sinks: readonly Sink<number, Promise<unknown>>[] = [Sink.head(), Sink.forEach(() => expect.fail("sink"))];
      for (const sink of sinks) {
        let wake: Wake = () => undefined;
        const broken = Source.fromStage<number, void>({
          name: "broken",
          create: () => ({
            mat: undefined,
            outlet: {
              pull(given) {
                wake = given;
                return answers.shift() ?? WAIT;
              },
              cancel() {
                throw new Error("cancel");
              },
            },
          }),
        });
        const answers: (readonly number[] | typeof WAIT)[] = [WAIT, [1]];
        const end = broken.runWith(sink).then(
          () => "completed",
          (error: unknown) => (error as Error).message,
        );
        await settle();
        expect(() => wake()).to.throw("cancel");
        expect(await end).to.be.oneOf(["completed", "sink"]);
      }
    }));

  it("closes the iterator of a source it leaves early, once", () =>
    forSeeds((options) =>
      assertAllClosed(async () => {
        let closed = 0;
        function* numbers(): Generator<number> {
          try {
            for (let n = 0; ; n++) yield n;
          } finally {
            closed += 1;
          }
        }
        expect(await Source.from(numbers()).take(3).runWith(Sink.toArray(), options)).to.deep.equal([0, 1, 2]);
        expect(closed).to.equal(1);
      }),
    ));
});
