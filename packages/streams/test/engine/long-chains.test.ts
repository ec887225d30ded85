import { Flow, FlowWithContext, Join, Sink, Source, SourceWithContext } from "@millrace/streams";
import { WAIT } from "@millrace/streams/stage";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";

const STAGES = 5000;
const JUNCTIONS = 2000;

const same = (n: number): number => n;
const always = (): boolean => true;

type Step = (source: Source<number>) => Source<number>;

const repeated = <A>(count: number, start: A, step: (made: A) => A): A => {
  let made = start;
  for (let done = 0; done < count; done++) made = step(made);
  return made;
};

const chain =
  (step: Step, count = STAGES): Step =>
  (source) =>
    repeated(count, source, step);

/** A flow to whose beginning something is added, so that it is deep to the other side. */
const flows =
  (step: (flow: Flow<number, number>) => Flow<number, number>, count = STAGES): Step =>
  (source) =>
    source.via(repeated(count, Flow.of<number>(), step));

const claims = (source: Source<number>): SourceWithContext<number> =>
  SourceWithContext.fromSource(
    source.map((value) => ({
      value,
      claim: { share: () => undefined, end: () => undefined, at: () => undefined },
    })),
  );

const withContext =
  (step: (flow: SourceWithContext<number>) => SourceWithContext<number>, count = STAGES): Step =>
  (source) =>
    repeated(count, claims(source), step).discardContext();

/** Long chains, all of which pass on what they get and may add nothing of their own. */
const chains: Readonly<Record<string, Step>> = {
  map: chain((source) => source.map(same)),
  filter: chain((source) => source.filter(always)),
  statefulMap: chain((source) =>
    source.statefulMap(
      () => 0,
      (state, n) => [state, n],
    ),
  ),
  mapConcat: chain((source) => source.mapConcat((n) => [n])),
  take: chain((source) => source.take(5)),
  recover: chain((source) => source.recover<number>(() => undefined)),
  watchTermination: chain((source) => source.watchTermination(() => undefined)),
  mapAsync: chain((source) => source.mapAsync(1, same)),
  "mapAsync that waits": chain((source) => source.mapAsync(1, (n) => Promise.resolve(n))),
  buffer: chain((source) => source.buffer(1)),
  groupBy: chain((source) => source.groupBy(1, always).mergeSubstreams()),
  via: chain((source) => source.via(Flow.of<number>().map(same))),
  "via, from its end": flows((flow) => Flow.of<number>().map(same).via(flow)),
  withAttributes: chain((source) => source.withAttributes({ chunkElements: 2 })),
  mapMaterializedValue: chain((source) => source.mapMaterializedValue(() => undefined)),
  alsoTo: chain((source) => source.alsoTo(Sink.ignore), JUNCTIONS),
  divertTo: chain((source) => source.divertTo(Sink.ignore, () => false), JUNCTIONS),
  broadcast: chain((source) => source.broadcast([Flow.of<number>()], Join.merge<number>()), JUNCTIONS),
  "broadcast, from its inside": flows((flow) => Flow.of<number>().broadcast([flow], Join.merge<number>()), JUNCTIONS),
  partition: chain((source) => source.partition([Flow.of<number>()], () => 0, Join.merge<number>()), JUNCTIONS),
  merge: chain((source) => source.merge(Source.empty()), JUNCTIONS),
  "merge, from its end": chain((source) => Source.empty<number>().merge(source), JUNCTIONS),
  concat: chain((source) => source.concat(Source.empty()), JUNCTIONS),
  "concat, from its end": chain((source) => Source.empty<number>().concat(source), JUNCTIONS),
  zip: chain((source) => source.zip(source.map(same)).map(([n]) => n), 8),
  "map with context": withContext((source) => source.map(same)),
  "mapAsync with context": withContext((source) => source.mapAsync(1, same)),
  "alsoTo with context": withContext((source) => source.alsoTo(FlowWithContext.of()), JUNCTIONS),
};

/** A source that gives two elements and does not end, and tells what it was cancelled with. */
const endless = (): { readonly source: Source<number>; readonly cancelled: unknown[] } => {
  const cancelled: unknown[] = [];
  const source = Source.fromStage<number, void>({
    name: "endless",
    create: () => {
      const chunks = [[1, 2]];
      return {
        outlet: { pull: () => chunks.pop() ?? WAIT, cancel: (cause) => void cancelled.push(cause) },
        mat: undefined,
      };
    },
  });
  return { source, cancelled };
};

describe(`chains of ${STAGES} stages and ${JUNCTIONS} junctions`, function () {
  this.timeout(60_000);
  const boom = new Error("boom");

  for (const [name, chained] of Object.entries(chains)) {
    it(`${name}: is run and drawn`, async () => {
      const elements = await assertAllClosed(() => chained(Source.from([1, 2])).runWith(Sink.toArray()));
      expect(elements).to.deep.equal([1, 2]);
      expect(chained(Source.single(1)).to(Sink.ignore).describe().split("\n")).to.include("single");
    });

    it(`${name}: fails with the failure of its beginning`, () =>
      assertAllClosed(async () => {
        const failed = await chained(Source.failed<number>(boom))
          .runWith(Sink.ignore)
          .catch((error: unknown) => error);
        expect(failed).to.equal(boom);
      }));

    it(`${name}: passes a failure at its end to its beginning`, () =>
      assertAllClosed(async () => {
        const { source, cancelled } = endless();
        const failed = await chained(source)
          .map(() => {
            throw boom;
          })
          .runWith(Sink.ignore)
          .catch((error: unknown) => error);
        expect(failed).to.equal(boom);
        expect(new Set(cancelled)).to.deep.equal(new Set([boom]));
      }));
  }

  it("closes a long flow by a sink, and that again", async () => {
    const sink = repeated(STAGES, Sink.toArray<number>(), (made) =>
      Flow.of<number>()
        .map(same)
        .toMat(made, (_, elements) => elements),
    );
    expect(await Source.from([1, 2]).runWith(sink)).to.deep.equal([1, 2]);
  });

  it("draws a flowchart of a long chain", () => {
    const graph = repeated(STAGES, Source.single(1), (source) => source.map(same)).to(Sink.ignore);
    expect(graph.describe("mermaid").split("\n")).to.have.length(1 + (STAGES + 2) + (STAGES + 1));
  });
});
