import { Flow, Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";

interface Animal {
  readonly name: string;
}
interface Dog extends Animal {
  bark(): string;
}

const rex: Dog = { name: "Rex", bark: () => "wuff" };

// A line under `@ts-expect-error` must not compile; the compiler fails the build when it does.

describe("variance", () => {
  it("lets a source of dogs be a source of animals, and not the reverse", () => {
    const dogs: Source<Dog> = Source.single(rex);
    const animals: Source<Animal> = dogs;
    // @ts-expect-error an animal need not be a dog
    const back: Source<Dog> = animals;
    expect(back).to.equal(dogs);
  });

  it("lets the materialised value vary likewise", () => {
    const precise: Source<number, Dog> = Source.from([1]).mapMaterializedValue(() => rex);
    const loose: Source<number, Animal> = precise;
    // @ts-expect-error an animal need not be a dog
    const back: Source<number, Dog> = loose;
    expect(back).to.equal(precise);
  });

  it("lets a sink of animals take dogs, and not the reverse", () => {
    const ofAnimals: Sink<Animal, Promise<void>> = Sink.forEach<Animal>(() => undefined);
    const ofDogs: Sink<Dog, Promise<void>> = ofAnimals;
    // @ts-expect-error a sink of dogs may bark
    const back: Sink<Animal, Promise<void>> = ofDogs;
    expect(back).to.equal(ofAnimals);
  });

  it("lets a flow take more and give less", () => {
    const flow: Flow<Animal, Dog> = Flow.of<Animal>().map(() => rex);
    const wider: Flow<Dog, Animal> = flow;
    // @ts-expect-error a flow of dogs does not take every animal
    const back: Flow<Animal, Dog> = wider;
    expect(back).to.equal(flow);
  });

  it("connects dogs to a flow and a sink of animals", async () => {
    const name = Flow.of<Animal>().map((animal) => animal.name);
    const named = Source.single(rex).via(name);
    expectTypeOf(named).toEqualTypeOf<Source<string>>();
    const barks: string[] = [];
    await Source.single(rex).runWith(Sink.forEach((animal: Animal) => barks.push(animal.name)));
    expect([await named.runWith(Sink.head()), ...barks]).to.deep.equal(["Rex", "Rex"]);
  });
});

describe("refusals", () => {
  const numbers = Source.from([1, 2]);

  it("refuses a flow of another element type", () => {
    const upper = Flow.of<string>().map((text) => text.toUpperCase());
    // @ts-expect-error numbers into a flow of strings
    expect(numbers.via(upper)).to.be.instanceOf(Source);
    // @ts-expect-error numbers into a flow of strings
    expect(Flow.of<number>().via(upper)).to.be.instanceOf(Flow);
  });

  it("refuses a sink of another element type", () => {
    const ofStrings = Sink.forEach<string>(() => undefined);
    // @ts-expect-error numbers into a sink of strings
    expect(numbers.to(ofStrings)).to.be.an("object");
    // @ts-expect-error numbers into a sink of strings
    expect(numbers.alsoTo(ofStrings)).to.be.instanceOf(Source);
    // @ts-expect-error numbers into a sink of strings
    expect(Flow.of<number>().to(ofStrings)).to.be.instanceOf(Sink);
  });

  it("refuses to broadcast into a flow of another element type", () => {
    // @ts-expect-error numbers into a flow of strings
    expect(numbers.broadcast([Flow.of<string>()], { junction: { name: "none", create: () => never } })).to.be.an(
      "object",
    );
  });

  it("refuses a flow where a source is wanted, and a source where a flow is", () => {
    // @ts-expect-error a flow has an open inlet
    expect(() => numbers.merge(Flow.of<number>())).not.to.throw();
    // @ts-expect-error a source has no inlet
    expect(() => numbers.via(numbers)).not.to.throw();
    // @ts-expect-error a source is no sink
    expect(() => numbers.to(numbers)).not.to.throw();
  });

  it("refuses to run what has open ends", () => {
    // @ts-expect-error a flow cannot run
    expect(Flow.of<number>().runWith).to.equal(undefined);
    // @ts-expect-error a sink cannot run
    expect(Sink.ignore.run).to.equal(undefined);
    // @ts-expect-error a source needs a sink
    expect(numbers.run).to.equal(undefined);
  });

  it("refuses to merge substreams that were never split", () => {
    // @ts-expect-error only groupBy answers substreams
    expect(numbers.mergeSubstreams).to.equal(undefined);
  });

  it("refuses mixed-up elements in reduce and conflate", () => {
    // @ts-expect-error reduce keeps the element type
    expect(numbers.reduce((sum, n) => `${sum}${n}`)).to.be.instanceOf(Source);
    // @ts-expect-error conflate keeps the element type
    expect(numbers.conflate((sum, n) => `${sum}${n}`)).to.be.instanceOf(Source);
  });

  it("refuses what is neither iterable nor async iterable", () => {
    // @ts-expect-error a number is no iterable
    expect(() => Source.from(1)).to.throw("Source.from takes an iterable or async iterable, got number");
  });
});

declare const never: never;
