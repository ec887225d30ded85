import { Flow, Join, Keep, type RunnableGraph, Sink, Supervision } from "@millrace/streams";
import { checkGraph, type CommittableOffset, committerSink, UnsafeGraphError } from "@millrace/kafka";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { source as committable } from "../support/pipelines.js";
import { offsetSource } from "./support/offset-source.js";

const later = (offset: CommittableOffset): Promise<CommittableOffset> => Promise.resolve(offset);
const branch = Flow.of<CommittableOffset>();

const FOLLOW = "use sourceWithOffsetContext, where any order is safe.";
const FOLLOW_ALL = "use sourceWithOffsetContext, where a record is done when every branch is.";

describe("an unsafe graph", () => {
  const refusal = (graph: RunnableGraph<unknown>, unsafe?: string): UnsafeGraphError => {
    try {
      graph.run(unsafe === undefined ? {} : { unsafe });
    } catch (error) {
      expect(error).to.be.instanceOf(UnsafeGraphError);
      return error as UnsafeGraphError;
    }
    return expect.fail("it ran");
  };

  describe("is refused with the stage, the hazard and the fix", () => {
    const offsets = offsetSource().source.map(({ offset }) => offset);
    const cases: Readonly<Record<string, readonly [graph: RunnableGraph<unknown>, line: string]>> = {
      mapAsyncUnordered: [
        offsets.mapAsyncUnordered(4, later).withAttributes({ name: "enrich" }).to(committerSink()),
        "enrich (mapAsyncUnordered) emits results as they are ready, so that an offset may be committed while an earlier " +
          `record is worked on (ORDER_LOST). Fix: use a stage that keeps the order (mapAsync in place of mapAsyncUnordered), or ${FOLLOW}`,
      ],
      groupBy: [
        offsets
          .groupBy(4, ({ offset }) => offset)
          .mergeSubstreams()
          .to(committerSink()),
        "groupBy keeps order within a key only, and a partition has records of many keys, so that its offsets overtake one " +
          `another (GROUPS_SPLIT_PARTITIONS). Fix: use groupByPartition, or byPartition as the key, or ${FOLLOW}`,
      ],
      alsoTo: [
        offsets.alsoTo(Sink.ignore).to(committerSink()),
        "alsoTo gives each record to several destinations, and its offset is committed when one of them is done " +
          "(SPLIT_NOT_REJOINED). Fix: do the other work in map or mapAsync on the way, or join the branches by " +
          `broadcast([…], Join.zip()), or ${FOLLOW_ALL}`,
      ],
      "a merged broadcast": [
        offsets.broadcast([branch, branch], Join.merge<CommittableOffset>()).to(committerSink()),
        "merge takes what the branches of broadcast emit as it comes, so that an offset may be committed while another " +
          "branch works on its record (SPLIT_NOT_REJOINED). Fix: join the branches by Join.zip(), which waits for one " +
          `element of each, or ${FOLLOW_ALL}`,
      ],
      "an uneven broadcast": [
        offsets
          .broadcast(
            [branch, branch.map((offset) => offset).withAttributes({ supervision: Supervision.resumingDecider })],
            Join.zip<CommittableOffset>(),
          )
          .map(([offset]) => offset as CommittableOffset)
          .to(committerSink()),
        "zip pairs what the branches of broadcast emit, but map may drop, add or reorder elements in one of them, so " +
          "that the pairs are of different records (SPLIT_NOT_REJOINED). Fix: let each branch emit one element for each it " +
          `takes, in order, or ${FOLLOW_ALL}`,
      ],
      conflate: [
        offsets.conflate((_, offset) => offset).to(committerSink()),
        "conflate may drop elements that no function chose to drop, and the next offset commits their records all the same " +
          "(DROPS_OFFSETS). Fix: hold upstream back instead (buffer with backpressure, batch in place of conflate), or use " +
          "sourceWithOffsetContext, where a dropped record is accounted for.",
      ],
    };
    for (const [name, [graph, line]] of Object.entries(cases)) {
      it(name, () => {
        const error = refusal(graph);
        expect(error).to.include({ name: "UnsafeGraphError", code: "UNSAFE_GRAPH", retriable: false });
        expect(error.message).to.equal(
          "committableSource: this graph can lose messages, for an offset may be committed before its record is done:\n" +
            `  ${line}\nTo run it all the same, say why: run({ unsafe: 'reason' }).`,
        );
        expect(error.hazards).to.deep.equal(checkGraph(graph).hazards);
      });
    }

    it("all of them at once, in the order of the stream", () => {
      const graph = offsets.mapAsyncUnordered(2, later).alsoTo(committerSink()).to(committerSink());
      const error = refusal(graph);
      expect(error.hazards.map(({ code }) => code)).to.deep.equal([
        "ORDER_LOST",
        "SPLIT_NOT_REJOINED",
        "TWO_COMMITTERS",
      ]);
      expect(error.message).to.include(
        "\n  committer is one of 2 committers of this source (committer, committer), which know nothing of each other " +
          "(TWO_COMMITTERS). Fix: keep one committer, at the end of the stream.\n",
      );
    });
  });

  it("has begun nothing when it is refused, and logs nothing", () => {
    const given = offsetSource();
    refusal(
      given.source
        .map(({ offset }) => offset)
        .mapAsyncUnordered(2, later)
        .to(committerSink()),
    );
    expect([given.begun, given.logged]).to.deep.equal([0, []]);
  });

  it("has opened no client when committableSource refuses it", () => {
    const kafka = new FakeKafka();
    const graph = committable(kafka)
      .map(({ offset }) => offset)
      .mapAsyncUnordered(2, later)
      .to(committerSink());
    expect(refusal(graph).message).to.include("committableSource(t): ");
    expect(kafka.consumers).to.deep.equal([]);
  });

  it("runs for a reason, which is logged with the hazards", () =>
    assertAllClosed(async () => {
      const given = offsetSource();
      await given.source
        .map(({ offset }) => offset)
        .mapAsyncUnordered(2, later)
        .toMat(committerSink(), Keep.right)
        .run({ unsafe: "losing scores is fine" });
      expect(given.begun).to.equal(1);
      expect(given.logged).to.have.length(1);
      expect(given.logged[0]).to.deep.include({ level: "warn" });
      expect(given.logged[0]?.message).to.match(
        /^committableSource: an unsafe graph is run all the same: losing scores is fine\n {2}mapAsyncUnordered emits results/,
      );
      expect(given.logged[0]?.fields).to.have.property("unsafe", "losing scores is fine");
      expect(given.logged[0]?.fields).to.have.nested.property("hazards[0].code", "ORDER_LOST");
    }));

  it("may not be run for an empty reason", () => {
    const graph = offsetSource().source.to(Sink.ignore);
    expect(() => graph.run({ unsafe: "" }))
      .to.throw()
      .with.property("code", "INVALID_ARGUMENT");
  });
});

describe("a safe graph", () => {
  it("logs its notes, once for each run, whether or not it is run as unsafe", () =>
    assertAllClosed(async () => {
      const given = offsetSource();
      const graph = given.source
        .filter(() => true)
        .map(({ offset }) => offset)
        .toMat(committerSink(), Keep.right);
      await graph.run();
      await graph.run({ unsafe: "not needed" });
      const line = {
        level: "info",
        message:
          "committableSource: filter may drop elements: their offsets are committed with the next one that passes " +
          "(SKIPS_OFFSETS). See to it: drop only what needs no work, or pass its offset on (passThrough).",
        fields: { code: "SKIPS_OFFSETS", stage: "filter" },
      };
      expect(given.logged).to.deep.equal([line, line]);
    }));
});

describe("the report of checkGraph", () => {
  it("reads a line for each hazard and each note", () => {
    const graph = offsetSource()
      .source.map(({ offset }) => offset)
      .filter(() => true)
      .mapAsyncUnordered(2, later)
      .to(committerSink());
    expect(String(checkGraph(graph)).split("\n")).to.deep.equal([
      "committableSource: mapAsyncUnordered emits results as they are ready, so that an offset may be committed while an " +
        "earlier record is worked on (ORDER_LOST). Fix: use a stage that keeps the order (mapAsync in place of " +
        `mapAsyncUnordered), or ${FOLLOW}`,
      "committableSource: filter may drop elements: their offsets are committed with the next one that passes " +
        "(SKIPS_OFFSETS). See to it: drop only what needs no work, or pass its offset on (passThrough).",
    ]);
  });

  it("is empty for a graph without hazards and notes", () => {
    const report = checkGraph(
      offsetSource()
        .source.map(({ offset }) => offset)
        .to(committerSink()),
    );
    expect(report.hazards).to.deep.equal([]);
    expect(String(report)).to.equal("");
  });
});
