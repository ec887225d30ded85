import { Flow, Keep, RunnableGraph, Sink, Source } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";

const ONE_TO_THREE = [1, 2, 3];

/** A flow that materialises `mat`. */
const withMat = <M>(mat: M): Flow<number, number, M> =>
  Flow.fromMatStage({ name: "withMat", createWithMat: (upstream) => ({ outlet: upstream, mat }) });

describe("materialize", () => {
  it("runs one graph as often as wanted, each run with its own state", async () => {
    let created = 0;
    const graph = Source.from(ONE_TO_THREE)
      .via(
        Flow.fromStage<number, number>({
          name: "counted",
          create: (upstream) => {
            created += 1;
            return upstream;
          },
        }),
      )
      .scan(0, (sum, n) => sum + n)
      .toMat(Sink.toArray<number>(), Keep.right);
    const results = await assertAllClosed(() => Promise.all([graph.run(), graph.run(), graph.run()]));
    expect(results).to.deep.equal([
      [0, 1, 3, 6],
      [0, 1, 3, 6],
      [0, 1, 3, 6],
    ]);
    expect(created).to.equal(3);
  });

  it("builds nothing before it is run", () => {
    const graph = Source.from(ONE_TO_THREE)
      .via(
        Flow.fromStage<number, number>({
          name: "never built",
          create: () => expect.fail("built"),
        }),
      )
      .to(Sink.ignore);
    expect(graph).to.be.instanceOf(RunnableGraph);
  });

  it("combines materialised values by the function given, left by default", async () => {
    const source = Source.from(ONE_TO_THREE).viaMat(withMat("source"), Keep.right);
    expect(source.via(withMat("flow")).to(Sink.ignore).run()).to.equal("source");
    expect(source.viaMat(withMat("flow"), Keep.right).to(Sink.ignore).run()).to.equal("flow");
    expect(source.viaMat(withMat("flow"), Keep.both).to(Sink.ignore).run()).to.deep.equal(["source", "flow"]);
    expect(source.viaMat(withMat("flow"), Keep.none).to(Sink.ignore).run()).to.equal(undefined);
    const [left, elements] = source.toMat(Sink.toArray<number>(), Keep.both).run();
    expect([left, await elements]).to.deep.equal(["source", ONE_TO_THREE]);
    expect(
      source
        .mapMaterializedValue((mat) => mat.length)
        .to(Sink.ignore)
        .run(),
    ).to.equal(6);
    expect(
      source
        .to(Sink.ignore)
        .mapMaterializedValue((mat) => `${mat}!`)
        .run(),
    ).to.equal("source!");
    const sink = withMat("flow").toMat(
      Sink.ignore.mapMaterializedValue(() => "sink"),
      Keep.both,
    );
    expect(source.runWith(sink)).to.deep.equal(["flow", "sink"]);
  });

  it("wraps every outlet, with the name of its stage", async () => {
    const wrapped: string[] = [];
    await Source.from(ONE_TO_THREE)
      .map((n) => n)
      .via(Flow.of<number>().filter(() => true))
      .merge(Source.empty())
      .broadcast([Flow.of<number>().take(1), Flow.of<number>()], {
        junction: { name: "join", create: ([first, second]) => (second?.cancel(undefined), first as never) },
      })
      .runWith(Sink.ignore, {
        wrap(outlet, stage) {
          wrapped.push(stage);
          return outlet;
        },
      });
    expect(wrapped).to.deep.equal([
      "from",
      "map",
      "filter",
      "empty",
      "merge",
      "broadcast",
      "broadcast",
      "take",
      "join",
    ]);
  });

  it("applies attributes to the stages below them, the inner ones winning", async () => {
    const seen: string[] = [];
    const named = (stage: string): Flow<number, number> =>
      Flow.fromStage<number, number>({
        name: stage,
        create(upstream, run) {
          seen.push(`${stage}: ${run.attributes.name} ${run.attributes.chunkElements}`);
          return upstream;
        },
      });
    await Source.from(ONE_TO_THREE)
      .via(named("inner"))
      .withAttributes({ name: "inner" })
      .via(named("middle"))
      .withAttributes({ name: "outer", chunkElements: 2 })
      .via(named("outside"))
      .runWith(Sink.ignore, { attributes: { chunkElements: 9 } });
    expect(seen).to.deep.equal(["inner: inner 2", "middle: outer 2", "outside: undefined 9"]);
  });

  it("builds and runs a chain of a thousand stages", async () => {
    let source: Source<number> = Source.from(ONE_TO_THREE);
    for (let stage = 0; stage < 1000; stage++) source = source.map((n) => n + 1);
    expect(await source.runWith(Sink.toArray())).to.deep.equal([1001, 1002, 1003]);
  });
});
