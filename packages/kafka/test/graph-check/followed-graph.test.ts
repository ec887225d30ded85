import { Flow, FlowWithContext, Join, Sink } from "@millrace/streams";
import {
  checkGraph,
  type CommittableOffset,
  committerFlow,
  committerSink,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { offsetSource } from "./support/offset-source.js";

describe("checkGraph of graphs with context", () => {
  const followed = offsetSource("followed", "sourceWithOffsetContext").source;
  const branch = Flow.of<CommittableOffset>();

  it("refuses two committers", () => {
    const graph = followed
      .map(({ offset }) => offset)
      .via(committerFlow())
      .to(committerSink());
    expect(checkGraph(graph).hazards.map(({ code }) => code)).to.deep.equal(["TWO_COMMITTERS"]);
  });

  it("allows everything else", () => {
    const graph = followed
      .groupBy(8, ({ record }) => record.key)
      .map(({ offset }) => offset)
      .mergeSubstreams()
      .mapAsyncUnordered(3, (offset) => Promise.resolve(offset))
      .alsoTo(Sink.ignore)
      .conflate((_, offset) => offset)
      .broadcast([branch, branch], Join.merge<CommittableOffset>())
      .to(committerSink());
    expect(String(checkGraph(graph))).to.equal("");
  });

  const records = () => sourceWithOffsetContext<string, Buffer>({ kafka: new FakeKafka().settings, topics: ["t"] });
  const oneBehind = (previous: object, next: object): readonly [object, object] => [next, previous];

  it("notes a state in which records may stay, also in a branch and in a group", () => {
    const graphs = [
      records().statefulMap(() => ({}), oneBehind),
      records().alsoTo(FlowWithContext.of<object>().statefulMap(() => ({}), oneBehind)),
      records()
        .groupBy(8, ({ key }) => key)
        .statefulMap(() => ({}), oneBehind)
        .mergeSubstreams(),
    ];
    for (const graph of graphs) {
      const { hazards, notes } = checkGraph(graph.to(committerSink()));
      expect(hazards).to.deep.equal([]);
      expect(notes.map(({ code, stage }) => [code, stage])).to.deep.equal([["KEEPS_STATE", "statefulMap"]]);
    }
  });

  it("has nothing to say of a state that keeps claims as well, nor of one behind discardContext", () => {
    const kept = records().aggregateWithBoundary(
      () => 0,
      (count) => [count + 1, count === 9],
      (count) => count,
    );
    expect(String(checkGraph(kept.to(committerSink())))).to.equal("");
    const given = records()
      .discardContext()
      .statefulMap(() => ({}), oneBehind);
    expect(String(checkGraph(given.to(Sink.ignore)))).to.equal("");
  });

  it("is what sourceWithOffsetContext is on", () => {
    const graph = sourceWithOffsetContext<string, Buffer>({ kafka: new FakeKafka().settings, topics: ["t"] })
      .mapAsyncUnordered(4, (record) => Promise.resolve(record))
      .filter(({ value }) => value.length > 0)
      .to(committerSink());
    expect(String(checkGraph(graph))).to.equal("");
  });
});
