import { Flow, Join, Sink, Source, Supervision } from "@millrace/streams";
import { expect } from "chai";

const input = Array.from({ length: 1500 }, (_, index) => index);

const failingAt = (at: number) => (element: number) => {
  if (element === at) throw new Error(`boom at ${at}`);
  return element + 1;
};

/** Runs without probes around the outlets: only then do neighbouring stages share their chunks. */
const outcome = async (source: Source<number, unknown>): Promise<{ delivered: number[]; failure: unknown }> => {
  const delivered: number[] = [];
  const failure: unknown = await source.runWith(Sink.forEach((element: number) => void delivered.push(element))).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { delivered, failure };
};

describe("a chain of synchronous stages that share their chunks", () => {
  it("delivers what precedes a failure, through the stages below it", async () => {
    const { delivered, failure } = await outcome(
      Source.from(input)
        .map((element) => element * 2)
        .filter((element) => element % 3 !== 0)
        .map(failingAt(2000))
        .map((element) => -element),
    );
    const expected = input.map((element) => element * 2).filter((element) => element % 3 !== 0 && element < 2000);
    expect(delivered).to.deep.equal(expected.map((element) => -(element + 1)));
    expect(failure).to.have.property("message", "boom at 2000");
  });

  it("drops the failing element alone when it resumes", async () => {
    const { delivered, failure } = await outcome(
      Source.from(input)
        .filter((element) => element % 2 === 0)
        .map(failingAt(600))
        .collect((element) => (element % 5 === 0 ? undefined : element))
        .withAttributes({ supervision: Supervision.resumingDecider }),
    );
    const expected = input.filter((element) => element % 2 === 0 && element !== 600).map((element) => element + 1);
    expect(delivered).to.deep.equal(expected.filter((element) => element % 5 !== 0));
    expect(failure).to.equal(undefined);
  });

  it("takes and drops across chunks", async () => {
    const { delivered } = await outcome(
      Source.from(input)
        .map((element) => element)
        .drop(700)
        .take(600),
    );
    expect(delivered).to.deep.equal(input.slice(700, 1300));
  });

  it("leaves the array it came from as it was", async () => {
    const original = input.slice(0, 10);
    await outcome(Source.from(original).map((element) => element + 1));
    expect(original).to.deep.equal(input.slice(0, 10));
  });

  it("leaves the chunk of a neighbouring branch as it was", async () => {
    const add = (amount: number) => Flow.of<number>().map((element: number) => element + amount);
    const pairs = await Source.from(input)
      .map((element) => element)
      .broadcast([add(1), add(2)], Join.zip())
      .runWith(Sink.toArray());
    expect(pairs).to.deep.equal(input.map((element) => [element + 1, element + 2]));
  });

  it("leaves an array answered to mapConcat as it was", async () => {
    const answer = [1, 2, 3];
    const { delivered } = await outcome(
      Source.single(0)
        .mapConcat(() => answer)
        .map((element) => element * 10),
    );
    expect(delivered).to.deep.equal([10, 20, 30]);
    expect(answer).to.deep.equal([1, 2, 3]);
  });
});
