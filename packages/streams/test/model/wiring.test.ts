import { Flow, Join, KillSwitches, Sink, Source, StreamError, Supervision } from "@millrace/streams";
import { type SourceStage, wire, type Wiring, type WiringNode } from "@millrace/streams/stage";
import { expect } from "chai";

const lines = (graph: Wiring): readonly string[] =>
  graph.map(({ kind, label, inputs }) =>
    [kind, label, ...inputs.map(({ node, outlet }) => `${node.label}.${outlet}`)].join(" "),
  );

describe("the wiring of a graph", () => {
  it("puts flows, sinks and branches in their place, each node after those that feed it", () => {
    const graph = Source.from([1])
      .via(Flow.of<number>().map((n) => n))
      .viaMat(KillSwitches.single<number>(), () => undefined)
      .broadcast([Flow.of<number>(), Flow.of<number>().take(1)], Join.zip<number>())
      .alsoTo(Sink.ignore)
      .merge(Source.single(2))
      .to(Flow.of<unknown>().take(3).to(Sink.head<unknown>()));
    expect(lines(wire(graph.blueprint))).to.deep.equal([
      "source from",
      "stage map from.0",
      "stage killSwitch map.0",
      "fork broadcast killSwitch.0",
      "stage take broadcast.1",
      "junction zip broadcast.0 take.0",
      "fork alsoTo zip.0",
      "sink ignore alsoTo.1",
      "source single",
      "junction merge alsoTo.0 single.0",
      "stage take merge.0",
      "sink head take.0",
    ]);
  });

  it("puts the flow of substreams between their split and their end", () => {
    const graph = Source.from([1])
      .groupBy(2, (n) => n)
      .map((n) => n)
      .groupBy(2, (n) => n)
      .mergeSubstreams()
      .mergeSubstreams()
      .to(Sink.ignore);
    expect(lines(wire(graph.blueprint))).to.deep.equal([
      "source from",
      "stage groupBy from.0",
      "stage map groupBy.0",
      "stage groupBy map.0",
      "substreamsEnd mergeSubstreams groupBy.0",
      "substreamsEnd mergeSubstreams mergeSubstreams.0",
      "sink ignore mergeSubstreams.0",
    ]);
  });

  it("gives each node the attributes that apply to it, the inner ones first", () => {
    const decider = Supervision.resumingDecider;
    const graph = Source.from([1])
      .map((n) => n)
      .withAttributes({ name: "inner" })
      .filter(() => true)
      .withAttributes({ name: "outer", supervision: decider })
      .to(Sink.ignore);
    const wired = wire(graph.blueprint, { chunkElements: 3 });
    expect(wired.map(({ label }) => label)).to.deep.equal(["from", "inner (map)", "outer (filter)", "ignore"]);
    expect(wired.map(({ attributes }) => attributes)).to.deep.equal([
      { name: "inner", supervision: decider, chunkElements: 3 },
      { name: "inner", supervision: decider, chunkElements: 3 },
      { name: "outer", supervision: decider, chunkElements: 3 },
      { chunkElements: 3 },
    ]);
  });

  it("knows the nodes of a graph that is not closed yet", () => {
    expect(lines(wire(Flow.of<number>().map((n) => n).blueprint))).to.deep.equal(["stage map"]);
  });
});

describe("the check of a source", () => {
  interface Checked {
    readonly graph: Wiring;
    readonly source: WiringNode;
    readonly unsafe: string | undefined;
  }
  const checkedSource = (
    refuse: boolean,
  ): { readonly stage: SourceStage<number, void>; readonly checks: Checked[]; created: number } => {
    const checks: Checked[] = [];
    const spy = {
      checks,
      created: 0,
      stage: {
        name: "checked",
        create() {
          spy.created += 1;
          return { outlet: { pull: () => [1], cancel: () => undefined }, mat: undefined };
        },
        check(graph, source, { unsafe }) {
          checks.push({ graph, source, unsafe });
          if (refuse) throw new Error("refused");
        },
      } satisfies SourceStage<number, void>,
    };
    return spy;
  };

  it("refuses the graph before any source of it is created", () => {
    const open = checkedSource(false);
    const refusing = checkedSource(true);
    const graph = Source.fromStage(open.stage).merge(Source.fromStage(refusing.stage)).to(Sink.head());
    expect(() => graph.run()).to.throw("refused");
    expect([open.created, refusing.created]).to.deep.equal([0, 0]);
  });

  it("refuses an iteration too", () => {
    const refusing = checkedSource(true);
    expect(() => Source.fromStage(refusing.stage).iterate()).to.throw("refused");
    expect(refusing.created).to.equal(0);
  });

  it("refuses an empty reason to run unsafely", () => {
    for (const unsafe of ["", " \n"]) {
      expect(() => Source.single(1).runWith(Sink.ignore, { unsafe }))
        .to.throw(StreamError, /unsafe takes the reason/)
        .with.property("code", "INVALID_ARGUMENT");
    }
  });

  it("sees each place of the source in the graph, inside substreams as well, and the options of the run", async () => {
    const spy = checkedSource(false);
    const source = Source.fromStage(spy.stage);
    const graph = source
      .groupBy(1, (n) => n)
      .merge(source.take(1))
      .mergeSubstreams()
      .to(Sink.ignore);
    expect(() => graph.run({ unsafe: "why not", wrap: () => expect.fail("stop before it runs") })).to.throw("stop");
    expect(spy.checks.map(({ source: place, unsafe }) => [place.id, unsafe])).to.deep.equal([
      ["s0", "why not"],
      ["s2", "why not"],
    ]);
    for (const { graph: wired, source: place } of spy.checks) expect(wired).to.include(place);
  });
});

describe("a graph whose sources have no check", () => {
  /** A source that counts how often its check is looked for: a walk of the graph looks for it. */
  const counting = (onLook: () => void): Source<number> =>
    Source.fromStage({
      name: "counting",
      get check() {
        onLook();
        return undefined;
      },
      create: () => ({ outlet: { pull: () => [1], cancel: () => undefined }, mat: undefined }),
    } as unknown as SourceStage<number, void>);

  it("is not walked before it runs", async () => {
    let looks = 0;
    const source = counting(() => (looks += 1));
    const graph = source.map((n) => n).toMat(Sink.head<number>(), (_, first) => first);
    looks = 0;
    await graph.run();
    const iterator = source.iterate();
    await iterator.next();
    await iterator.return?.();
    expect(looks).to.equal(0);
  });

  /** Every way to put a source into a graph. */
  const places: Readonly<Record<string, (checked: Source<number>) => Source<unknown, unknown>>> = {
    "as it is": (checked) => checked,
    "before a stage": (checked) => checked.map((n) => n),
    "before a stage with a materialised value": (checked) => checked.watchTermination(() => undefined),
    "before a flow": (checked) => checked.via(Flow.of()),
    "inside a flow": (checked) => Source.single(1).via(Flow.of<number>().merge(checked)),
    "beside another source": (checked) => Source.single(1).concat(checked),
    "before a fork": (checked) => checked.alsoTo(Sink.ignore),
    "inside a branch": (checked) =>
      Source.single(1).broadcast([Flow.of<number>(), Flow.of<number>().merge(checked)], Join.merge<number>()),
    "inside a sink": (checked) => Source.single(1).alsoTo(Flow.of<number>().merge(checked).to(Sink.ignore)),
    "inside substreams": (checked) =>
      Source.single(1)
        .groupBy(1, (n) => n)
        .merge(checked)
        .mergeSubstreams(),
    "below attributes": (checked) => checked.withAttributes({ name: "named" }),
    "below a materialised value": (checked) => checked.mapMaterializedValue(() => 1),
  };

  for (const [place, put] of Object.entries(places)) {
    it(`does not hide one that has a check ${place}`, () => {
      const refusing = Source.fromStage<number, void>({
        name: "refusing",
        create: () => expect.fail("created"),
        check: () => {
          throw new Error("refused");
        },
      });
      expect(() => put(refusing).to(Sink.ignore).run()).to.throw("refused");
      expect(() => put(refusing).iterate()).to.throw("refused");
    });
  }
});
