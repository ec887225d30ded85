import { Flow, Join, Operators, Sink, Source, Substreams } from "@millrace/streams";
import { wire, type WiringNode } from "@millrace/streams/stage";
import { expect } from "chai";

const numbers = Source.from([1, 2]);
const same = (n: number): number => n;
const add = (a: number, b: number): number => a + b;
const always = (): boolean => true;

/** What each operator's stage says; several where it depends on the arguments. */
const operators: Readonly<
  Record<string, readonly (readonly [graph: Pick<Source<unknown>, "blueprint">, says: string])[]>
> = {
  map: [[numbers.map(same), "kept kept"]],
  filter: [[numbers.filter(always), "kept mayDrop"]],
  filterNot: [[numbers.filterNot(always), "kept mayDrop"]],
  collect: [[numbers.collect(same), "kept mayDrop"]],
  mapConcat: [[numbers.mapConcat((n) => [n]), "kept mayAdd"]],
  mapAsync: [[numbers.mapAsync(1, same), "kept kept"]],
  mapAsyncUnordered: [[numbers.mapAsyncUnordered(1, same), "lost kept"]],
  mapAsyncPartitioned: [[numbers.mapAsyncPartitioned(1, same, same), "kept kept"]],
  mapAsyncPartitionedUnordered: [[numbers.mapAsyncPartitionedUnordered(1, same, same), "perKey kept"]],
  take: [
    [numbers.take(1), "kept kept"],
    [numbers.take(0), "kept kept"],
  ],
  takeWhile: [[numbers.takeWhile(always), "kept kept"]],
  drop: [[numbers.drop(1), "kept mayDrop"]],
  scan: [[numbers.scan(0, add), "kept mayAdd"]],
  statefulMap: [
    [
      numbers.statefulMap(
        () => 0,
        (sum, n) => [sum + n, n],
      ),
      "kept kept",
    ],
    [
      numbers.statefulMap(
        () => 0,
        (sum, n) => [sum + n, n],
        (sum) => sum,
      ),
      "kept mayAdd",
    ],
  ],
  fold: [[numbers.fold(0, add), "kept folded"]],
  reduce: [[numbers.reduce(add), "kept folded"]],
  grouped: [[numbers.grouped(2), "kept gathered"]],
  groupedWithin: [[numbers.groupedWithin(2, 1), "kept gathered"]],
  aggregateWithBoundary: [
    [
      numbers.aggregateWithBoundary(
        () => 0,
        (sum, n) => [sum + n, true],
        same,
      ),
      "kept gathered",
    ],
  ],
  batch: [[numbers.batch(2, same, add), "kept gathered"]],
  conflate: [[numbers.conflate(add), "kept lossy"]],
  buffer: [
    [numbers.buffer(1), "kept kept"],
    [numbers.buffer(1, "fail"), "kept kept"],
    [numbers.buffer(1, "dropHead"), "kept lossy"],
    [numbers.buffer(1, "dropTail"), "kept lossy"],
    [numbers.buffer(1, "dropNew"), "kept lossy"],
    [numbers.buffer(1, "dropBuffer"), "kept lossy"],
  ],
  throttle: [[numbers.throttle({ elements: 1, perMs: 1 }), "kept kept"]],
  groupBy: [[numbers.groupBy(2, same).mergeSubstreams(), "perKey kept"]],
  merge: [[numbers.merge(numbers), "mixes"]],
  concat: [[numbers.concat(numbers), "appends"]],
  zip: [[numbers.zip(numbers), "pairs"]],
  broadcast: [
    [numbers.broadcast([Flow.of<number>()], Join.zip<number>()), "all pairs"],
    [numbers.broadcast([Flow.of<number>()], Join.merge<number>()), "all mixes"],
  ],
  alsoTo: [[numbers.alsoTo(Sink.ignore), "all"]],
  partition: [[numbers.partition([Flow.of<number>()], () => 0, Join.merge<number>()), "one mixes"]],
  divertTo: [[numbers.divertTo(Sink.ignore, always), "one"]],
  recover: [[numbers.recover(() => 1), "kept kept"]],
  log: [[numbers.log("n"), "kept kept"]],
  watchTermination: [[numbers.watchTermination(() => undefined), "kept kept"]],
};

const without = new Set([
  ...["constructor", "apply", "stage", "fanIn"],
  ...["via", "viaMat", "alsoToMat", "divertToMat", "mergeMat", "concatMat", "zipMat"],
  ...["mapMaterializedValue", "withAttributes"],
]);

const traitsOf = (node: WiringNode): object | undefined => ("traits" in node.stage ? node.stage.traits : undefined);

describe("the traits of operators", () => {
  it("are known of every operator", () => {
    const methods = Object.getOwnPropertyNames(Operators.prototype).filter((name) => !without.has(name));
    expect(methods).to.have.members(Object.keys(operators), "say here what each operator does to its elements");
    expect(Object.getOwnPropertyNames(Substreams.prototype)).to.have.members([
      "constructor",
      "derive",
      "mergeSubstreams",
    ]);
  });

  for (const [name, cases] of Object.entries(operators)) {
    it(`${name}: ${cases.map(([, says]) => says).join(", ")}`, () => {
      for (const [graph, says] of cases) {
        const own = wire(graph.blueprint).flatMap((node) => {
          if (node.kind === "source" || node.kind === "sink" || node.kind === "substreamsEnd") return [];
          const traits = traitsOf(node);
          expect(traits, node.label).to.be.an("object");
          return Object.values(traits ?? {}).filter((trait) => typeof trait === "string");
        });
        expect(own.join(" ")).to.equal(says);
      }
    });
  }

  it("name the key of those that go by one", () => {
    for (const graph of [
      numbers.groupBy(2, same).mergeSubstreams(),
      numbers.mapAsyncPartitionedUnordered(1, same, same),
    ]) {
      const [, split] = wire(graph.blueprint);
      expect(split && traitsOf(split)).to.have.property("key", same);
    }
  });

  it("are known of every sink", () => {
    const sinks = [
      Sink.ignore,
      Sink.forEach(same),
      Sink.fold(0, add),
      Sink.toArray(),
      Sink.head<unknown>(),
      Sink.last<unknown>(),
    ];
    for (const sink of sinks) expect(wire(sink.blueprint).map(traitsOf)).to.deep.equal([{}]);
  });
});
