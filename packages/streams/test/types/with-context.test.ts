import {
  type ClosesContext,
  Flow,
  FlowWithContext,
  Join,
  Keep,
  type RunnableGraph,
  Sink,
  Source,
  SourceWithContext,
  type WithClaim,
} from "@millrace/streams";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";
import { recordingClaims } from "../with-context/recording-claims.js";

const numbers = (): SourceWithContext<number> => recordingClaims().source([1, 2, 3]);

// A line under `@ts-expect-error` must not compile; the compiler fails the build when it does.

describe("closing a stream with context", () => {
  it("refuses a sink that knows nothing of claims", () => {
    // @ts-expect-error elements would be dropped, and their claims with them
    expect(() => numbers().to(Sink.ignore)).to.throw();
    // @ts-expect-error elements would be dropped, and their claims with them
    expect(() => numbers().to(Sink.forEach((n: number) => n))).to.throw();
    // @ts-expect-error elements would be dropped, and their claims with them
    expect(() => numbers().toMat(Sink.toArray<number>(), Keep.right)).to.throw();
    // @ts-expect-error there is no other way to end it
    expect(numbers().runWith).to.equal(undefined);
    // @ts-expect-error a source without a sink cannot run
    expect(numbers().run).to.equal(undefined);
    // @ts-expect-error iterating would lose the claims
    expect(numbers()[Symbol.asyncIterator]).to.equal(undefined);
    // @ts-expect-error a flow is closed by closing the source behind which it is put
    expect(FlowWithContext.of<number>().to).to.equal(undefined);
  });

  it("refuses plain flows, which would lose claims", () => {
    const double = Flow.of<number>().map((n) => n * 2);
    // @ts-expect-error a plain flow
    expect(numbers().via(double)).to.be.instanceOf(SourceWithContext);
    // @ts-expect-error a plain sink
    expect(numbers().alsoTo(Sink.ignore)).to.be.instanceOf(SourceWithContext);
    // @ts-expect-error a plain sink
    expect(numbers().divertTo(Sink.ignore, () => true)).to.be.instanceOf(SourceWithContext);
    // @ts-expect-error a plain source
    expect(numbers().merge(Source.single(1))).to.be.instanceOf(SourceWithContext);
    // @ts-expect-error a source with context is no plain one
    expect(Source.single(1).merge(numbers())).to.be.instanceOf(Source);
    // @ts-expect-error a flow with context is no plain one
    expect(Source.single(1).via(FlowWithContext.of<number>())).to.be.instanceOf(Source);
  });

  it("takes a sink that ends claims, of the same elements", () => {
    const claims = recordingClaims();
    const ofNumbers: ClosesContext<number, Promise<readonly number[]>> = claims.sink<number>();
    expectTypeOf(numbers().to(ofNumbers)).toEqualTypeOf<RunnableGraph<void>>();
    expectTypeOf(numbers().toMat(ofNumbers, Keep.right)).toEqualTypeOf<RunnableGraph<Promise<readonly number[]>>>();
    // @ts-expect-error strings into a sink of numbers
    expect(numbers().map(String).to(ofNumbers)).to.be.an("object");
    const narrow: ClosesContext<1 | 2, Promise<readonly unknown[]>> = ofNumbers;
    // @ts-expect-error a sink of some numbers does not take all
    const back: ClosesContext<number, Promise<readonly unknown[]>> = narrow;
    expect(back).to.equal(ofNumbers);
  });

  it("goes on as a plain source once the context is given up", () => {
    expectTypeOf(numbers().discardContext()).toEqualTypeOf<Source<number>>();
  });
});

describe("operators with context", () => {
  it("give every callback the type of the step before it", () => {
    const stream = numbers()
      .map((n) => {
        expectTypeOf(n).toEqualTypeOf<number>();
        return `${n}`;
      })
      .mapConcat((text) => text.split("-"))
      .collect((text) => (text === "1" ? undefined : text))
      .mapAsync(2, async (text) => text.length)
      .mapAsyncPartitioned(
        2,
        (n) => n > 1,
        (n, large) => {
          expectTypeOf(large).toEqualTypeOf<boolean>();
          return n;
        },
      )
      .statefulMap(
        () => "",
        (state, n) => [state + "x", { state, n }],
      )
      .batch(
        2,
        (each) => [each],
        (kept, each) => [...kept, each],
      )
      .map((kept) => kept.length)
      .grouped(3);
    expectTypeOf(stream).toEqualTypeOf<SourceWithContext<readonly number[]>>();
  });

  it("join the types of branches and other sources", () => {
    const text = FlowWithContext.of<number>().map(String);
    const same = FlowWithContext.of<number>();
    expectTypeOf(numbers().broadcast([text, same], Join.merge())).toEqualTypeOf<SourceWithContext<string | number>>();
    expectTypeOf(numbers().partition([text, same], () => 0, Join.merge())).toEqualTypeOf<
      SourceWithContext<string | number>
    >();
    expectTypeOf(numbers().zip(numbers().map(String))).toEqualTypeOf<SourceWithContext<readonly [number, string]>>();
    expectTypeOf(numbers().merge(numbers().map(String))).toEqualTypeOf<SourceWithContext<number | string>>();
  });

  it("return from groups to what was split", () => {
    const groups = FlowWithContext.of<string>().groupBy(2, (text) => text.length);
    expectTypeOf(groups.map((text) => text.length).mergeSubstreams()).toEqualTypeOf<FlowWithContext<string, number>>();
    expectTypeOf(
      numbers()
        .groupBy(2, (n) => n)
        .grouped(2)
        .mergeSubstreams(),
    ).toEqualTypeOf<SourceWithContext<readonly number[]>>();
  });

  it("vary with their elements", () => {
    const precise: SourceWithContext<1 | 2> = SourceWithContext.fromSource(Source.empty<WithClaim<1 | 2>>());
    const loose: SourceWithContext<number> = precise;
    // @ts-expect-error a number need not be 1 or 2
    const back: SourceWithContext<1 | 2> = loose;
    expect(back).to.equal(precise);
  });

  it("are made from plain sources and flows of cells", () => {
    const source = SourceWithContext.fromSource(Source.queue<WithClaim<string>>(3));
    expectTypeOf(source.to(recordingClaims().sink<string>()).run().size).toEqualTypeOf<number>();
    const flow = FlowWithContext.fromFlow(
      Flow.of<WithClaim<string>>().map(({ value, claim }): WithClaim<number> => ({ value: value.length, claim })),
    );
    expectTypeOf(flow).toEqualTypeOf<FlowWithContext<string, number>>();
  });
});
