import {
  type BoundedSourceQueue,
  Flow,
  Join,
  Keep,
  type KillSwitch,
  KillSwitches,
  type RunnableGraph,
  Sink,
  Source,
} from "@millrace/streams";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";

interface Order {
  readonly id: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

const order: Order = { id: "o1", lines: [{ sku: "a", quantity: 2 }] };

describe("inference, left to right", () => {
  it("gives every callback the type of the step before it", async () => {
    const summary = Source.single(order)
      .map((each) => {
        expectTypeOf(each).toEqualTypeOf<Order>();
        return each;
      })
      .mapConcat((each) => {
        expectTypeOf(each).toEqualTypeOf<Order>();
        return each.lines;
      })
      .filter((line) => {
        expectTypeOf(line).toEqualTypeOf<Order["lines"][number]>();
        return line.quantity > 1;
      })
      .mapAsync(2, async (line) => {
        expectTypeOf(line.quantity).toEqualTypeOf<number>();
        return [line.sku, line.quantity] as const;
      })
      .scan(new Map<string, number>(), (seen, [sku, quantity]) => {
        expectTypeOf(seen).toEqualTypeOf<Map<string, number>>();
        expectTypeOf(sku).toEqualTypeOf<string>();
        return seen.set(sku, quantity);
      })
      .drop(1)
      .grouped(10)
      .map((maps) => {
        expectTypeOf(maps).toEqualTypeOf<readonly Map<string, number>[]>();
        return maps.length;
      });
    expectTypeOf(summary).toEqualTypeOf<Source<number>>();
    expect(await summary.runWith(Sink.toArray())).to.deep.equal([1]);
  });

  it("takes the element type of arrays, iterables and async iterables", () => {
    expectTypeOf(Source.from([1, 2])).toEqualTypeOf<Source<number>>();
    expectTypeOf(Source.from(new Set(["a"]))).toEqualTypeOf<Source<string>>();
    expectTypeOf(Source.from(new Map([["a", 1]]))).toEqualTypeOf<Source<[string, number]>>();
    const generator = async function* (): AsyncGenerator<bigint> {
      yield 1n;
    };
    expectTypeOf(Source.from(generator())).toEqualTypeOf<Source<bigint>>();
    expectTypeOf(Source.empty()).toEqualTypeOf<Source<never>>();
    expectTypeOf(Source.failed(new Error("no"))).toEqualTypeOf<Source<never>>();
    expectTypeOf(Source.unfold(0, (n) => (n < 3 ? [n + 1, String(n)] : undefined))).toEqualTypeOf<Source<string>>();
  });

  it("gives a for-await loop the element type", async () => {
    const seen: string[] = [];
    for await (const element of Source.from([1]).map(String)) {
      expectTypeOf(element).toEqualTypeOf<string>();
      seen.push(element);
    }
    expect(seen).to.deep.equal(["1"]);
  });

  it("removes undefined from what collect answers, and nothing else", async () => {
    const found = Source.from(["1", "x", ""]).collect((text) => {
      if (text === "") return null;
      const parsed = Number(text);
      return Number.isNaN(parsed) ? undefined : parsed;
    });
    expectTypeOf(found).toEqualTypeOf<Source<number | null>>();
    expect(await found.runWith(Sink.toArray())).to.deep.equal([1, null]);
  });

  it("narrows by a type guard in filter, given or inferred, and keeps the type otherwise", async () => {
    const mixed: Source<string | number> = Source.from<string | number>([1, "a"]);
    expectTypeOf(mixed.filter((each): each is string => typeof each === "string")).toEqualTypeOf<Source<string>>();
    expectTypeOf(mixed.filter((each) => typeof each === "number")).toEqualTypeOf<Source<number>>();
    expectTypeOf(mixed.filter((each) => each !== 1)).toEqualTypeOf<Source<string | number>>();
    expect(await mixed.filter((each) => typeof each === "number").runWith(Sink.toArray())).to.deep.equal([1]);
  });

  it("joins the types of merge, concat and recover", () => {
    expectTypeOf(Source.from([1]).merge(Source.from(["a"]))).toEqualTypeOf<Source<number | string>>();
    expectTypeOf(Source.from([1]).concat(Source.single(true))).toEqualTypeOf<Source<number | boolean>>();
    expectTypeOf(Source.from([1]).concat(Source.empty())).toEqualTypeOf<Source<number>>();
    expectTypeOf(Source.from([1]).recover(() => "late")).toEqualTypeOf<Source<number | string>>();
    expectTypeOf(Source.from([1]).recover((error) => (error instanceof RangeError ? 0 : undefined))).toEqualTypeOf<
      Source<number>
    >();
  });

  it("pairs by zip", () => {
    expectTypeOf(Source.from([1]).zip(Source.from(["a"]))).toEqualTypeOf<Source<readonly [number, string]>>();
  });

  it("sends elements through flows and joins them", async () => {
    const double = Flow.of<number>().map((n) => n * 2);
    const negate = Flow.of<number>().map((n) => -n);
    const rows = Source.from([1, 2]).broadcast([double, negate], Join.zip());
    expectTypeOf(rows).toEqualTypeOf<Source<readonly number[]>>();
    expectTypeOf(Source.from([1, 2]).broadcast([double, negate], Join.merge())).toEqualTypeOf<Source<number>>();
    expect(await rows.runWith(Sink.toArray())).to.deep.equal([
      [2, -1],
      [4, -2],
    ]);
  });

  it("joins flows of different types", () => {
    const text = Flow.of<number>().map(String);
    const double = Flow.of<number>().map((n) => n * 2);
    expectTypeOf(Source.from([1]).broadcast([text, double], Join.merge())).toEqualTypeOf<Source<string | number>>();
  });
});

describe("reusable flows", () => {
  it("chain from Flow.of", async () => {
    const parse = Flow.of<string>()
      .map(Number)
      .filter((n) => n > 1)
      .grouped(2);
    expectTypeOf(parse).toEqualTypeOf<Flow<string, readonly number[]>>();
    const parsed = Source.from(["1", "2", "3"]).via(parse);
    expectTypeOf(parsed).toEqualTypeOf<Source<readonly number[]>>();
    expect(await parsed.runWith(Sink.toArray())).to.deep.equal([[2, 3]]);
  });

  it("become sinks", () => {
    const count = Flow.of<string>().toMat(
      Sink.fold(0, (n: number, _element: string) => n + 1),
      Keep.right,
    );
    expectTypeOf(count).toEqualTypeOf<Sink<string, Promise<number>>>();
    expectTypeOf(Flow.of<string>().to(Sink.ignore)).toEqualTypeOf<Sink<string, void>>();
  });
});

describe("substreams", () => {
  it("return to the class of their parent", async () => {
    const perKey = Source.from([1, 2, 3]).groupBy(2, (n) => n % 2);
    const counted = perKey.fold(0, (count) => count + 1).mergeSubstreams();
    expectTypeOf(counted).toEqualTypeOf<Source<number>>();

    const flow = Flow.of<string>()
      .groupBy(2, (text) => text.length)
      .map((text) => text.length)
      .mergeSubstreams();
    expectTypeOf(flow).toEqualTypeOf<Flow<string, number>>();
    expect((await counted.runWith(Sink.toArray())).sort()).to.deep.equal([1, 2]);
  });

  it("return to the outer substreams when nested", () => {
    const nested = Source.from([{ a: 1, b: "x" }])
      .groupBy(2, (each) => each.a)
      .groupBy(2, (each) => each.b)
      .map((each) => each.b)
      .mergeSubstreams()
      .grouped(2)
      .mergeSubstreams();
    expectTypeOf(nested).toEqualTypeOf<Source<readonly string[]>>();
  });
});

describe("materialised values", () => {
  const queued = Source.queue<number>(4);

  it("keeps left by default and combines on demand", () => {
    expectTypeOf(queued.to(Sink.ignore)).toEqualTypeOf<RunnableGraph<BoundedSourceQueue<number>>>();
    expectTypeOf(queued.toMat(Sink.ignore, Keep.right)).toEqualTypeOf<RunnableGraph<Promise<void>>>();
    expectTypeOf(queued.toMat(Sink.toArray<number>(), Keep.both).mapMaterializedValue(([, all]) => all)).toEqualTypeOf<
      RunnableGraph<Promise<number[]>>
    >();
    expectTypeOf(queued.toMat(Sink.ignore, Keep.none)).toEqualTypeOf<RunnableGraph<void>>();
    expectTypeOf(Source.from([1]).toMat(Sink.head<number>(), (_, first) => ({ first }))).toEqualTypeOf<
      RunnableGraph<{ first: Promise<number> }>
    >();
  });

  it("passes through operators unchanged", () => {
    const ticking = Source.tick({ initialDelayMs: 1, intervalMs: 1 }, "tick")
      .map((each) => each.length)
      .take(1)
      .merge(queued)
      .via(Flow.of<number>().grouped(2));
    expectTypeOf(ticking).toExtend<Source<readonly number[], { cancel(): void }>>();
  });

  it("is combined by viaMat, alsoToMat, watchTermination and mapMaterializedValue", () => {
    const switched = Source.from([1]).viaMat(KillSwitches.single(), Keep.right);
    expectTypeOf(switched).toEqualTypeOf<Source<number, KillSwitch>>();
    expectTypeOf(switched.alsoToMat(Sink.ignore, Keep.both)).toEqualTypeOf<
      Source<number, [KillSwitch, Promise<void>]>
    >();
    expectTypeOf(switched.watchTermination((kill, end) => ({ kill, end }))).toEqualTypeOf<
      Source<number, { kill: KillSwitch; end: Promise<void> }>
    >();
    expectTypeOf(switched.mapMaterializedValue(() => 1)).toEqualTypeOf<Source<number, number>>();
  });

  it("does not take an asynchronous function for a sink that does not wait", () => {
    // @ts-expect-error: forEach would not wait for the promise
    Sink.forEach(async () => undefined);
    // @ts-expect-error: neither with its element named
    Sink.forEach<number>((n) => Promise.resolve(n));
    // @ts-expect-error: nor sometimes
    Sink.forEach((n: number) => (n > 1 ? Promise.resolve() : undefined));
    const seen: number[] = [];
    const all = Source.from([1]).to(Sink.forEach((n) => seen.push(n)));
    expectTypeOf(all).toEqualTypeOf<RunnableGraph<void>>();
    expectTypeOf(Sink.forEach(() => new Map<string, number>())).toEqualTypeOf<Sink<unknown, Promise<void>>>();
    expectTypeOf(Sink.forEachAsync(1, async (n: number) => n)).toEqualTypeOf<Sink<number, Promise<void>>>();
  });

  it("is what runWith answers", async () => {
    const all = Source.from([1]).runWith(Sink.toArray());
    expectTypeOf(all).toEqualTypeOf<Promise<number[]>>();
    const first = Source.from(["a"]).runWith(Sink.head());
    expectTypeOf(first).toEqualTypeOf<Promise<string>>();
    const sum = Source.from([1]).runWith(Sink.fold("", (text, n) => `${text}${n}`));
    expectTypeOf(sum).toEqualTypeOf<Promise<string>>();
    expect([await all, await first, await sum]).to.deep.equal([[1], "a", "1"]);
  });
});
