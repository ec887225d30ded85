import { Flow, Join, Keep, type RunnableGraph, Sink, Source, Supervision } from "@millrace/streams";
import type { Junction, SinkStage, Stage } from "@millrace/streams/stage";
import {
  byPartition,
  checkGraph,
  type CommittableOffset,
  CommittableOffsetBatch,
  committerFlow,
  committerSink,
  type GraphNoteCode,
  type HazardCode,
  passThrough,
  produce,
  producerFlow,
} from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { type Message, offsetSource } from "./support/offset-source.js";

const { source } = offsetSource();
const offsetOf = ({ offset }: Message): CommittableOffset => offset;
const offsets = source.map(offsetOf);
const same = (offset: CommittableOffset): CommittableOffset => offset;
const later = async (offset: CommittableOffset): Promise<CommittableOffset> => offset;
const branch = Flow.of<CommittableOffset>();

const found = (graph: RunnableGraph<unknown>): readonly string[] =>
  checkGraph(graph).hazards.map(({ code, stage }) => `${code} at ${stage}`);

const noted = (graph: RunnableGraph<unknown>): readonly string[] =>
  checkGraph(graph).notes.map(({ code, stage }) => `${code} at ${stage}`);

/** A stage of some author's, which is only looked at. */
const authored = (traits?: Stage<never, unknown>["traits"]): Flow<CommittableOffset, CommittableOffset> => {
  const stage: Stage<CommittableOffset, CommittableOffset> = { name: "authored", create: (upstream) => upstream };
  return Flow.fromStage(traits ? { ...stage, traits } : stage);
};

const hazard = (at: string, code: HazardCode): readonly string[] => [`${code} at ${at}`];
const note = (at: string, code: GraphNoteCode): readonly string[] => [`${code} at ${at}`];

describe("checkGraph on the explicit surface", () => {
  describe("refuses order that is lost", () => {
    it("by mapAsyncUnordered", () => {
      expect(found(offsets.mapAsyncUnordered(4, later).to(committerSink()))).to.deep.equal(
        hazard("mapAsyncUnordered", "ORDER_LOST"),
      );
    });

    it("by any stage that says so, inside a flow and under its given name too", () => {
      const flow = authored({ order: "lost", elements: "kept" }).withAttributes({ name: "scores" });
      expect(found(offsets.via(Flow.of<CommittableOffset>().via(flow)).to(committerSink()))).to.deep.equal(
        hazard("scores (authored)", "ORDER_LOST"),
      );
    });

    it("by every stage of the way", () => {
      const graph = offsets
        .mapAsyncUnordered(4, later)
        .buffer(3, "dropHead")
        .mapAsyncUnordered(4, later)
        .to(committerSink());
      expect(found(graph)).to.deep.equal([
        "ORDER_LOST at mapAsyncUnordered",
        "DROPS_OFFSETS at buffer",
        "ORDER_LOST at mapAsyncUnordered",
      ]);
    });
  });

  describe("refuses several destinations", () => {
    it("by alsoTo, wherever the committer stands", () => {
      expect(found(offsets.alsoTo(Sink.ignore).to(committerSink()))).to.deep.equal(
        hazard("alsoTo", "SPLIT_NOT_REJOINED"),
      );
      expect(found(offsets.alsoTo(committerSink()).to(Sink.ignore))).to.deep.equal(
        hazard("alsoTo", "SPLIT_NOT_REJOINED"),
      );
    });

    it("by alsoTo inside a branch that is joined one to one otherwise", () => {
      const graph = offsets
        .broadcast([branch.alsoTo(Sink.ignore), branch], Join.zip<CommittableOffset>())
        .map(([offset]) => offset as CommittableOffset)
        .to(committerSink());
      expect(found(graph)).to.deep.equal(hazard("alsoTo", "SPLIT_NOT_REJOINED"));
    });

    it("with the committer in one branch", () => {
      const graph = offsets.broadcast([branch.via(committerFlow()), branch], Join.merge<unknown>()).to(Sink.ignore);
      expect(found(graph)).to.deep.equal(hazard("broadcast", "SPLIT_NOT_REJOINED"));
    });

    it("merged again", () => {
      const graph = offsets
        .broadcast([branch.mapAsync(2, later), branch], Join.merge<CommittableOffset>())
        .to(committerSink());
      expect(found(graph)).to.deep.equal(hazard("merge", "SPLIT_NOT_REJOINED"));
    });

    it("joined by a junction without traits", () => {
      const junction: Junction<CommittableOffset, CommittableOffset> = { name: "mystery", create: ([first]) => first! };
      expect(found(offsets.broadcast([branch, branch], { junction }).to(committerSink()))).to.deep.equal(
        hazard("mystery", "SPLIT_NOT_REJOINED"),
      );
    });

    const zippedWith = (other: typeof branch): RunnableGraph<unknown> =>
      offsets
        .broadcast([branch, other], Join.zip<CommittableOffset>())
        .map(([offset]) => offset as CommittableOffset)
        .to(committerSink());

    for (const [what, uneven] of Object.entries({
      "that filters": branch.filter(() => true),
      "that adds": branch.mapConcat((offset) => [offset, offset]),
      "that gathers": branch.grouped(2).map(([first]) => first!),
      "split by partition, whose order holds within it only": branch
        .map((offset) => ({ offset }))
        .groupBy(8, byPartition)
        .mergeSubstreams()
        .map(({ offset }) => offset),
      "merged with others": branch.merge(Source.empty<CommittableOffset>()),
    })) {
      it(`zipped with a branch ${what}, when it is built`, () => {
        expect(() => zippedWith(uneven)).to.throw(/^broadcast: zip takes one element of every branch/);
      });
    }

    for (const [what, uneven] of Object.entries({
      "whose decider may drop what fails": branch
        .map(same)
        .withAttributes({ supervision: Supervision.resumingDecider }),
      "of a stage without traits": authored(),
    })) {
      it(`zipped with a branch ${what}`, () => {
        expect(found(zippedWith(uneven))).to.deep.equal(hazard("zip", "SPLIT_NOT_REJOINED"));
      });
    }

    it("by conditions, however they are joined", () => {
      const merged = offsets.partition([branch, branch], () => 0, Join.merge<CommittableOffset>()).to(committerSink());
      expect(found(merged)).to.deep.equal(hazard("partition", "SPLIT_NOT_REJOINED"));
      const last = branch.reduce((_, offset) => offset);
      const zipped = offsets
        .partition([last, last], () => 0, Join.zip<CommittableOffset>())
        .map(([offset]) => offset as CommittableOffset)
        .to(committerSink());
      expect(found(zipped)).to.deep.equal(hazard("partition", "SPLIT_NOT_REJOINED"));
      const diverted = offsets.divertTo(Sink.ignore, () => false).to(committerSink());
      expect(found(diverted)).to.deep.equal(hazard("divertTo", "SPLIT_NOT_REJOINED"));
    });

    it("inside a group", () => {
      const graph = source
        .groupBy(8, byPartition)
        .map(offsetOf)
        .alsoTo(Sink.ignore)
        .mergeSubstreams()
        .to(committerSink());
      expect(found(graph)).to.deep.equal(hazard("alsoTo", "SPLIT_NOT_REJOINED"));
    });
  });

  describe("refuses groups", () => {
    it("by a key that divides partitions", () => {
      const graph = source
        .groupBy(8, ({ record }) => record.key)
        .mergeSubstreams()
        .map(offsetOf)
        .to(committerSink());
      expect(found(graph)).to.deep.equal(hazard("groupBy", "GROUPS_SPLIT_PARTITIONS"));
    });

    it("of partitions inside which order is lost", () => {
      const graph = source
        .groupBy(8, byPartition)
        .map(offsetOf)
        .mapAsyncUnordered(4, later)
        .mergeSubstreams()
        .to(committerSink());
      expect(found(graph)).to.deep.equal(hazard("mapAsyncUnordered", "ORDER_LOST"));
    });

    it("by mapAsyncPartitionedUnordered, unless it goes by whole partitions", () => {
      const work = (message: Message): Promise<Message> => Promise.resolve(message);
      const byKey = source.mapAsyncPartitionedUnordered(4, ({ record }) => record.key, work).map(offsetOf);
      expect(found(byKey.to(committerSink()))).to.deep.equal(
        hazard("mapAsyncPartitionedUnordered", "GROUPS_SPLIT_PARTITIONS"),
      );
      const whole = source.mapAsyncPartitionedUnordered(4, byPartition, work).map(offsetOf);
      expect(found(whole.to(committerSink()))).to.deep.equal([]);
      const ordered = source.mapAsyncPartitioned(4, ({ record }) => record.key, work).map(offsetOf);
      expect(found(ordered.to(committerSink()))).to.deep.equal([]);
    });
  });

  describe("refuses offsets that are dropped", () => {
    for (const strategy of ["dropHead", "dropTail", "dropNew", "dropBuffer"] as const) {
      it(`by a buffer with ${strategy}`, () => {
        expect(found(offsets.buffer(8, strategy).to(committerSink()))).to.deep.equal(hazard("buffer", "DROPS_OFFSETS"));
      });
    }

    it("by conflate", () => {
      expect(found(offsets.conflate((_, offset) => offset).to(committerSink()))).to.deep.equal(
        hazard("conflate", "DROPS_OFFSETS"),
      );
    });

    it("by a stage that is restarted, debounces or samples, which says that it loses", () => {
      const lossy = authored({ order: "kept", elements: "lossy" });
      expect(found(offsets.via(lossy).to(committerSink()))).to.deep.equal(hazard("authored", "DROPS_OFFSETS"));
    });
  });

  describe("refuses two committers", () => {
    it("one after the other", () => {
      expect(found(offsets.via(committerFlow()).to(committerSink()))).to.deep.equal(
        hazard("committer", "TWO_COMMITTERS"),
      );
    });

    it("one beside the other", () => {
      expect(found(offsets.alsoTo(committerSink()).to(committerSink()))).to.deep.equal([
        "SPLIT_NOT_REJOINED at alsoTo",
        "TWO_COMMITTERS at committer",
      ]);
    });
  });

  describe("allows", () => {
    const allowed = (graph: RunnableGraph<unknown>, ...notes: readonly string[]): void => {
      expect(checkGraph(graph).hazards, String(checkGraph(graph))).to.deep.equal([]);
      expect(noted(graph)).to.deep.equal(notes);
    };
    const kafka = new FakeKafka().settings;

    it("what keeps order and offsets", () => {
      const graph = source
        .mapAsync(8, (message) => Promise.resolve(message))
        .buffer(8)
        .throttle({ elements: 1, perMs: 1 })
        .log("m")
        .watchTermination(() => undefined)
        .map(({ offset, record }) => produce({ topic: "out", value: record.value }, offset))
        .via(producerFlow({ kafka, value: { encode: (value: string) => Buffer.from(value) } }))
        .map((result) => result.passThrough)
        .take(5)
        .to(committerSink());
      allowed(graph);
    });

    it("offsets gathered before the committer", () => {
      allowed(
        offsets
          .batch(9, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
          .groupedWithin(2, 5)
          .map((batches) => batches.reduce((all, each) => all.updated(each), CommittableOffsetBatch.empty))
          .to(committerSink()),
      );
    });

    it("one to several, and the other way, with a note to each", () => {
      allowed(
        offsets
          .mapConcat((offset) => [passThrough<CommittableOffset | undefined>(undefined), passThrough(offset)])
          .via(producerFlow<string, Buffer, CommittableOffset | undefined>({ kafka }))
          .collect((result) => result.passThrough)
          .filter(() => true)
          .filterNot(() => false)
          .to(committerSink()),
        ...note("mapConcat", "ADDS_ELEMENTS"),
        ...["collect", "filter", "filterNot"].flatMap((stage) => note(stage, "SKIPS_OFFSETS")),
      );
    });

    it("branches joined one to one, nested ones too", () => {
      const nested = branch
        .broadcast([branch.map(same), branch.mapAsync(2, later)], Join.zip<CommittableOffset>())
        .map(([offset]) => offset as CommittableOffset);
      const stopping = branch.map(same).withAttributes({ supervision: Supervision.stoppingDecider });
      allowed(
        offsets
          .broadcast([branch, nested, stopping], Join.zip<CommittableOffset>())
          .map(([offset]) => offset as CommittableOffset)
          .to(committerSink()),
      );
    });

    it("a zip with another source, in a branch as well", () => {
      const paired = branch.zip(Source.from([1, 2])).map(([offset]) => offset);
      allowed(
        offsets
          .broadcast([branch, paired], Join.zip<CommittableOffset>())
          .map(([offset]) => offset as CommittableOffset)
          .to(committerSink()),
      );
    });

    it("two sources, merged or one after the other, and checks the way of each", () => {
      const second = offsetSource("explicit", "second").source.map(offsetOf);
      allowed(offsets.merge(second).to(committerSink()));
      allowed(offsets.concat(second).to(committerSink()));
      const report = checkGraph(offsets.merge(second.mapAsyncUnordered(2, later)).to(committerSink()));
      expect(report.hazards.map(({ source: name, code }) => [name, code])).to.deep.equal([["second", "ORDER_LOST"]]);
    });

    it("groups of whole partitions", () => {
      allowed(
        source
          .groupBy(64, byPartition)
          .mapAsync(2, (message) => Promise.resolve(message))
          .map(offsetOf)
          .mergeSubstreams()
          .to(committerSink()),
      );
    });

    it("a committer for each group of whole partitions", () => {
      allowed(source.groupBy(64, byPartition).map(offsetOf).via(committerFlow()).mergeSubstreams().to(Sink.ignore));
    });

    it("anything behind the committer", () => {
      allowed(
        offsets
          .via(committerFlow())
          .alsoTo(Sink.ignore)
          .conflate((_, batch) => batch)
          .mapAsyncUnordered(2, (batch) => Promise.resolve(batch))
          .to(Sink.ignore),
      );
    });

    it("stages without traits, with a note", () => {
      allowed(offsets.via(authored()).to(committerSink()), ...note("authored", "UNKNOWN_STAGE"));
    });

    it("a junction without traits that joins other sources, with a note", () => {
      const junction: Junction<CommittableOffset, CommittableOffset> = { name: "mystery", create: ([first]) => first! };
      const graph = Source.empty<CommittableOffset>().broadcast([Flow.of<CommittableOffset>()], { junction });
      const joined = graph.blueprint.tag === "fanOut" ? graph.blueprint : expect.fail();
      const both = new Source<CommittableOffset>({
        tag: "fanIn",
        copy: joined.copy,
        upstreams: [offsets.blueprint, joined.upstream],
        junction,
        combine: Keep.left,
      });
      allowed(both.to(committerSink()), "UNKNOWN_STAGE at mystery", "BRIDGED_OFFSETS at committer");
    });

    it("a decider, with one note", () => {
      allowed(
        offsets.map(same).withAttributes({ supervision: Supervision.resumingDecider }).to(committerSink()),
        ...note("committableSource", "SKIPS_FAILURES"),
      );
      allowed(offsets.withAttributes({ supervision: Supervision.stoppingDecider }).to(committerSink()));
    });

    it("a sink without traits, which may commit by itself, with a note", () => {
      const sink: SinkStage<CommittableOffset, void> = { name: "mySink", create: () => undefined };
      allowed(offsets.to(Sink.fromStage(sink)), "UNKNOWN_STAGE at mySink", "NO_COMMITTER at committableSource");
    });

    it("graphs without offsets", () => {
      allowed(
        Source.from([1])
          .mapAsyncUnordered(2, (n) => n)
          .to(Sink.ignore),
      );
    });
  });
});
