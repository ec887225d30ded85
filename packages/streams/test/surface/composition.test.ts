import { Flow, Keep, RunnableGraph, Sink, Source, Supervision } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import { assertAllClosed, settle, sinkProbe, sourceProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { operatorSkeleton } from "../support/operator-skeleton.js";
import { eachSeed } from "../support/runs.js";

const boom = new Error("boom");

const parse = (text: string): number => {
  if (text === "x") throw boom;
  return Number(text);
};

const resuming = { supervision: Supervision.resumingDecider };
const stopping = { supervision: Supervision.stoppingDecider };

const outcome = (source: Source<number>): Promise<unknown> =>
  source.runWith(Sink.toArray()).catch((error: unknown) => error);

describe("via", () => {
  const half = Flow.of<number>().map((n) => n / 2);

  operatorSkeleton<number, string>({
    name: "via",
    flow: () => Flow.of<number>().via(half).via(Flow.of<number>().map(String)),
    input: [1, 2, 3],
    output: ["0.5", "1", "1.5"],
    outputOfOne: ["0.5"],
  });

  it(
    "keeps the upper materialised value, and uses one flow in several places",
    eachSeed(async (options) => {
      const [value, all] = Source.from([8])
        .mapMaterializedValue(() => "upper")
        .via(half.mapMaterializedValue(() => "lower"))
        .via(half)
        .toMat(Sink.toArray<number>(), Keep.both)
        .run(options);
      expect(value).to.equal("upper");
      expect(await all).to.deep.equal([2]);
    }),
  );

  it("changes neither side: both are values", async () => {
    const source = Source.from([1]);
    const flow = Flow.of<number>().map((n) => n + 1);
    const joined = source.via(flow);
    flow.map((n) => n * 100);
    source.map((n) => n * 100);
    expect(await joined.runWith(Sink.toArray())).to.deep.equal([2]);
    expect(await source.runWith(Sink.toArray())).to.deep.equal([1]);
    expect(Object.isFrozen(joined.blueprint)).to.equal(true);
  });
});

describe("viaMat", () => {
  it("combines the materialised values, upper first, anew for every run", () => {
    let runs = 0;
    const graph = Source.empty<number>()
      .mapMaterializedValue(() => `run ${++runs}`)
      .viaMat(
        Flow.of<number>().mapMaterializedValue(() => "flow"),
        Keep.both,
      )
      .to(Sink.ignore);
    expect(graph.run()).to.deep.equal(["run 1", "flow"]);
    expect(graph.run()).to.deep.equal(["run 2", "flow"]);
  });
});

describe("mapMaterializedValue", () => {
  it("closes what was built when its function throws, and throws it from run", () =>
    assertAllClosed(async () => {
      const graph = Source.from([1])
        .mapMaterializedValue(() => {
          throw boom;
        })
        .to(Sink.ignore);
      expect(() => graph.run()).to.throw(boom);
    }));

  it("works on sources, flows, sinks and graphs", async () => {
    const sink = Sink.toArray<number>().mapMaterializedValue((all) => all.then((elements) => elements.length));
    const flow = Flow.of<number>().mapMaterializedValue(() => 2);
    const graph = Source.from([1, 2, 3])
      .mapMaterializedValue(() => 1)
      .viaMat(flow, (a, b) => a + b)
      .toMat(sink, Keep.both)
      .mapMaterializedValue(async ([sum, length]) => [sum, await length]);
    expect(graph).to.be.instanceOf(RunnableGraph);
    expect(await graph.run()).to.deep.equal([3, 3]);
  });
});

describe("withAttributes", () => {
  const source = Source.from(["1", "x", "3"]);

  it("applies to every stage above it", async () => {
    expect(await outcome(source.map(parse).filter(Boolean).withAttributes(resuming))).to.deep.equal([1, 3]);
  });

  it("does not apply to stages below it", async () => {
    expect(await outcome(source.withAttributes(resuming).map(parse))).to.equal(boom);
  });

  it("leaves to what is set further inside", async () => {
    const inner = Flow.of<string>().map(parse).withAttributes(stopping);
    expect(await outcome(source.via(inner).withAttributes(resuming))).to.equal(boom);
  });

  it("of a graph, and of a run, applies to all of it", async () => {
    const graph = source.map(parse).toMat(Sink.toArray<number>(), Keep.right);
    expect(await graph.withAttributes(resuming).run()).to.deep.equal([1, 3]);
    expect(await graph.run({ attributes: resuming })).to.deep.equal([1, 3]);
    expect(await graph.run().catch((error: unknown) => error)).to.equal(boom);
  });

  it("names the stage it follows", () => {
    const graph = source.map(parse).withAttributes({ name: "parse" }).to(Sink.ignore);
    expect(graph.describe()).to.equal("from\nparse (map) <- from\nignore <- parse (map)");
  });
});

describe("to and toMat of a flow", () => {
  it(
    "make a sink which runs the flow",
    eachSeed(async (options) => {
      const sink = Flow.of<string>()
        .map((text) => text.length)
        .toMat(Sink.head<number>(), Keep.right);
      const [source, first] = sourceProbe<string>().toMat(sink, Keep.both).run(options);
      source.send("four");
      expect(await first).to.equal(4);
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    }),
  );
});

describe("run", () => {
  it("returns before any element flows", async () => {
    const seen: number[] = [];
    const end = Source.from([1]).runWith(Sink.forEach((n) => void seen.push(n)));
    expect(seen).to.deep.equal([]);
    await end;
    expect(seen).to.deep.equal([1]);
  });

  it("builds nothing until it is called", async () => {
    let created = 0;
    const graph = Source.from([1])
      .via(
        Flow.fromStage<number, number>({
          name: "counting",
          create: (upstream) => {
            created += 1;
            return upstream;
          },
        }),
      )
      .toMat(sinkProbe<number>(), Keep.right);
    await settle();
    expect(created).to.equal(0);
    graph.run().cancel();
    expect(created).to.equal(1);
  });
});
