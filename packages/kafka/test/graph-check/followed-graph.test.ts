import { Flow, Join, Sink } from "@millrace/streams";
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

describe("checkGraph on the followed surface", () => {
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

  it("is what sourceWithOffsetContext is on", () => {
    const graph = sourceWithOffsetContext<string, Buffer>({ kafka: new FakeKafka().settings, topics: ["t"] })
      .mapAsyncUnordered(4, (record) => Promise.resolve(record))
      .filter(({ value }) => value.length > 0)
      .to(committerSink());
    expect(String(checkGraph(graph))).to.equal("");
  });
});
