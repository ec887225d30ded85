import { Flow, FlowWithContext, Join, Keep, Sink, Source, SourceWithContext, StreamError } from "@millrace/streams";
import { expect } from "chai";

type Branch = Flow<number, unknown, unknown>;
type ContextBranch = FlowWithContext<number, unknown, unknown>;

const same = (n: number): number => n;
const add = (a: number, b: number): number => a + b;
const always = (): boolean => true;
const numbers = Flow.of<number>();
const followed = FlowWithContext.of<number>();
const once = Source.single(1);

/** Branches that emit one element for each they take, in order. */
const even: Readonly<Record<string, Branch>> = {
  nothing: numbers,
  map: numbers.map(same),
  mapAsync: numbers.mapAsync(2, same),
  mapAsyncPartitioned: numbers.mapAsyncPartitioned(2, same, same),
  statefulMap: numbers.statefulMap(
    () => 0,
    (state, n) => [state, n],
  ),
  buffer: numbers.buffer(4),
  throttle: numbers.throttle({ elements: 1, perMs: 1 }),
  take: numbers.take(1),
  takeWhile: numbers.takeWhile(always),
  recover: numbers.recover(() => 1),
  log: numbers.log("n"),
  watchTermination: numbers.watchTermination(Keep.left),
  via: numbers.via(Flow.of<number>().map(same)),
  withAttributes: numbers.map(same).withAttributes({ name: "named" }),
  zip: numbers.zip(once),
  concat: numbers.concat(once),
  alsoTo: numbers.alsoTo(Sink.ignore),
  "broadcast and zip": numbers.broadcast([numbers, numbers.map(same)], Join.zip()),
  "broadcast of one": numbers.broadcast([numbers], Join.merge<number>()),
  "a stage without traits": numbers.via(Flow.fromStage({ name: "mystery", create: (upstream) => upstream })),
};

/** Branches that do not, and the stage to name. */
const uneven: Readonly<Record<string, readonly [branch: Branch, stage: string]>> = {
  filter: [numbers.filter(always), "filter"],
  filterNot: [numbers.filterNot(always), "filterNot"],
  collect: [numbers.collect(same), "collect"],
  drop: [numbers.drop(1), "drop"],
  mapConcat: [numbers.mapConcat((n) => [n]), "mapConcat"],
  scan: [numbers.scan(0, add), "scan"],
  grouped: [numbers.grouped(2), "grouped"],
  groupedWithin: [numbers.groupedWithin(2, 1), "groupedWithin"],
  batch: [numbers.batch(2, same, add), "batch"],
  conflate: [numbers.conflate(add), "conflate"],
  "buffer that drops": [numbers.buffer(1, "dropHead"), "buffer"],
  mapAsyncUnordered: [numbers.mapAsyncUnordered(2, same), "mapAsyncUnordered"],
  mapAsyncPartitionedUnordered: [numbers.mapAsyncPartitionedUnordered(2, same, same), "mapAsyncPartitionedUnordered"],
  groupBy: [numbers.groupBy(2, same).mergeSubstreams(), "groupBy"],
  merge: [numbers.merge(once), "merge"],
  divertTo: [numbers.divertTo(Sink.ignore, always), "divertTo"],
  "broadcast and merge": [numbers.broadcast([numbers, numbers], Join.merge<number>()), "broadcast"],
  "partition and merge": [numbers.partition([numbers, numbers], () => 0, Join.merge<number>()), "partition"],
  "stages before and behind": [numbers.map(same).filter(always).map(same), "filter"],
  "a flow in a flow": [numbers.via(Flow.of<number>().via(Flow.of<number>().filter(always))), "filter"],
};

/** Branches that emit one element at their end. */
const folded: Readonly<Record<string, Branch>> = {
  fold: numbers.fold(0, add),
  reduce: numbers.reduce(add),
  "fold behind filter": numbers.filter(always).fold(0, add).map(same),
};

const contextEven: Readonly<Record<string, ContextBranch>> = {
  nothing: followed,
  map: followed.map(same),
  mapAsync: followed.mapAsync(2, same),
  mapAsyncPartitioned: followed.mapAsyncPartitioned(2, same, same),
  statefulMap: followed.statefulMap(
    () => 0,
    (state, n) => [state, n],
  ),
  buffer: followed.buffer(4),
  throttle: followed.throttle({ elements: 1, perMs: 1 }),
  log: followed.log("n"),
  alsoTo: followed.alsoTo(followed),
  "broadcast and zip": followed.broadcast([followed, followed.map(same)], Join.zip()),
};

const contextUneven: Readonly<Record<string, readonly [branch: ContextBranch, stage: string]>> = {
  filter: [followed.filter(always), "filter"],
  filterNot: [followed.filterNot(always), "filterNot"],
  collect: [followed.collect(same), "collect"],
  drop: [followed.drop(1), "drop"],
  "take, which drops the rest of a branch": [followed.take(1), "take"],
  takeWhile: [followed.takeWhile(always), "takeWhile"],
  mapConcat: [followed.mapConcat((n) => [n]), "mapConcat"],
  grouped: [followed.grouped(2), "grouped"],
  groupedWithin: [followed.groupedWithin(2, 1), "groupedWithin"],
  batch: [followed.batch(2, same, add), "batch"],
  conflate: [followed.conflate(add), "conflate"],
  "buffer that drops": [followed.buffer(1, "dropNew"), "buffer"],
  mapAsyncUnordered: [followed.mapAsyncUnordered(2, same), "mapAsyncUnordered"],
  mapAsyncPartitionedUnordered: [followed.mapAsyncPartitionedUnordered(2, same, same), "mapAsyncPartitionedUnordered"],
  groupBy: [followed.groupBy(2, same).mergeSubstreams(), "groupBy"],
  divertTo: [followed.divertTo(followed, always), "divertTo"],
  "broadcast and merge": [followed.broadcast([followed, followed], Join.merge<number>()), "broadcast"],
  "partition and merge": [followed.partition([followed, followed], () => 0, Join.merge<number>()), "partition"],
};

const refusal = (build: () => unknown): string => {
  try {
    build();
  } catch (error) {
    expect(error).to.be.instanceOf(StreamError).with.property("code", "INVALID_ARGUMENT");
    return (error as Error).message;
  }
  return "nothing was refused";
};

const source = Source.from([1, 2, 3]);
const cells = SourceWithContext.fromSource(
  source.map((value) => ({ value, claim: { share: () => undefined, end: () => undefined, at: () => undefined } })),
);

describe("branches of one fork that are zipped", () => {
  for (const [what, [branch, stage]] of Object.entries(uneven)) {
    it(`are refused when one has ${what}, by its name and with a remedy`, () => {
      const said = refusal(() => source.broadcast([numbers, branch], Join.zip<unknown>()));
      expect(said).to.match(new RegExp(`^broadcast: zip takes one element of every branch, but in branch 1 ${stage} `));
      expect(said).to.match(
        /stall for ever; let every branch emit one element for each .* or join the branches by Join.merge/,
      );
      refusal(() => source.broadcast([branch, branch], Join.zip<unknown>()));
    });
  }

  for (const [what, branch] of Object.entries(even)) {
    it(`are allowed with ${what}, but not beside one that emits only at its end`, () => {
      source.broadcast([numbers, branch, branch], Join.zip<unknown>());
      expect(refusal(() => source.broadcast([branch, numbers.fold(0, add)], Join.zip<unknown>()))).to.contain(
        "branch 1 emits one element at its end, branch 0 one for each",
      );
    });
  }

  for (const [what, branch] of Object.entries(folded)) {
    it(`are allowed where all emit once at their end: ${what}`, async () => {
      const rows = await source.broadcast([numbers.fold(0, add), branch], Join.zip<unknown>()).runWith(Sink.toArray());
      expect(rows).to.deep.equal([[6, 6]]);
    });
  }

  for (const [what, [branch, stage]] of Object.entries(contextUneven)) {
    it(`are refused with context when one has ${what}`, () => {
      expect(refusal(() => cells.broadcast([followed, branch], Join.zip<unknown>()))).to.match(
        new RegExp(`^broadcast: zip takes one element of every branch, but in branch 1 ${stage} `),
      );
    });
  }

  for (const [what, branch] of Object.entries(contextEven)) {
    it(`are allowed with context and ${what}`, () => {
      cells.broadcast([followed, branch], Join.zip<unknown>());
    });
  }

  it("are refused behind a partition, whose branches never have the same element", () => {
    const said =
      "partition: zip takes one element of every branch, but in branch 0 partition gives each element to one";
    expect(refusal(() => source.partition([numbers, numbers], () => 0, Join.zip()))).to.contain(said);
    expect(refusal(() => cells.partition([followed, followed], () => 0, Join.zip()))).to.contain(said);
  });

  it("are not looked at where there is only one, nor where they are merged", () => {
    source.broadcast([numbers.filter(always)], Join.zip());
    source.partition([numbers], () => 0, Join.zip());
    source.broadcast([numbers, numbers.filter(always)], Join.merge<number>());
    cells.broadcast([followed.filter(always)], Join.zip());
  });
});

describe("a fork that is joined again", () => {
  const wrong: Readonly<Record<string, readonly [flows: unknown, join: unknown, says: RegExp]>> = {
    "Join.merge without parentheses": [
      [numbers],
      Join.merge,
      /join must be the answer of Join.merge\(\).*function merge/,
    ],
    "Join.zip without parentheses": [[numbers], Join.zip, /join must be the answer of Join.merge\(\).*function zip/],
    "no join": [[numbers], undefined, /join must be the answer of Join.merge\(\) or Join.zip\(\), got undefined/],
    "no flows": [[], Join.merge(), /flows must be a list of at least one flow/],
    "a flow that is no list": [numbers, Join.merge(), /flows must be a list of at least one flow/],
    "a list with a function": [[same], Join.merge(), /flows\[0\] must be a flow, got the function same/],
  };

  for (const [what, [flows, join, says]] of Object.entries(wrong)) {
    it(`refuses ${what}, on both surfaces`, () => {
      const choose = (): number => 0;
      for (const build of [
        () => source.broadcast(flows as never, join as never),
        () => source.partition(flows as never, choose, join as never),
        () => cells.broadcast(flows as never, join as never),
        () => cells.partition(flows as never, choose, join as never),
      ]) {
        expect(refusal(build))
          .to.match(/^(broadcast|partition): /)
          .and.match(says);
      }
    });
  }
});
