import { Flow, FlowWithContext, Sink, Source, SourceWithContext } from "@millrace/streams";
import { forSeeds } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../../support/operator-skeleton.js";

const numbers = (): Flow<number, number> => Flow.of<number>();

describe("filter", () => {
  operatorSkeleton<number, number>({
    name: "filter",
    flow: () => numbers().filter((n) => n % 2 === 1),
    input: [1, 2, 3, 4, 5],
    output: [1, 3, 5],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        numbers().filter((n) => {
          check(n);
          return n % 2 === 1;
        }),
      at: 2,
      delivered: [1],
      resumed: [1, 5],
    },
  });

  it("passes over any number of elements that do not hold", () =>
    forSeeds(async (options) => {
      const many = Source.from(Array.from({ length: 5000 }, (_, index) => index));
      expect(await many.filter((n) => n === 4999).runWith(Sink.toArray(), options)).to.deep.equal([4999]);
      expect(await many.filter(() => false).runWith(Sink.toArray(), options)).to.deep.equal([]);
    }));

  it("narrows the element type with a type guard", async () => {
    const mixed: Source<number | string> = Source.from<number | string>([1, "a", 2]);
    const strings: Source<string> = mixed.filter((element): element is string => typeof element === "string");
    expect(await strings.runWith(Sink.toArray())).to.deep.equal(["a"]);
  });
});

describe("what a predicate answers", () => {
  const answers: readonly unknown[] = [true, false, 1, 0, "yes", "", {}, null, undefined, Number.NaN];
  const truthy = answers.filter(Boolean);
  const falsy = answers.filter((answer) => !answer);
  const asked = (answer: unknown): boolean => answer as boolean;
  const source = Source.from(answers);
  const plain = (flow: Source<unknown>): Promise<unknown[]> => flow.runWith(Sink.toArray());
  const claim = { share: () => undefined, end: () => undefined, at: () => undefined };
  const followed = SourceWithContext.fromSource(source.map((value) => ({ value, claim })));
  const firstOnly = Source.from([1, 0, 1]);

  const operators: Readonly<Record<string, readonly [() => Promise<unknown[]>, readonly unknown[]]>> = {
    filter: [() => plain(source.filter(asked)), truthy],
    filterNot: [() => plain(source.filterNot(asked)), falsy],
    takeWhile: [() => plain(firstOnly.takeWhile(asked)), [1]],
    divertTo: [() => plain(source.divertTo(Sink.ignore, asked)), falsy],
    "filter with context": [() => plain(followed.filter(asked).discardContext()), truthy],
    "filterNot with context": [() => plain(followed.filterNot(asked).discardContext()), falsy],
    "divertTo with context": [() => plain(followed.divertTo(FlowWithContext.of(), asked).discardContext()), falsy],
  };

  for (const [name, [run, passed]] of Object.entries(operators)) {
    it(`counts as true where it is truthy: ${name}`, async () => {
      expect(await run()).to.deep.equal(passed);
    });
  }
});

describe("filterNot", () => {
  operatorSkeleton<number, number>({
    name: "filterNot",
    flow: () => numbers().filterNot((n) => n % 2 === 0),
    input: [1, 2, 3, 4, 5],
    output: [1, 3, 5],
    outputOfOne: [1],
    throwing: {
      flow: (check) =>
        numbers().filterNot((n) => {
          check(n);
          return n % 2 === 0;
        }),
      at: 2,
      delivered: [1],
      resumed: [1, 5],
    },
  });
});
