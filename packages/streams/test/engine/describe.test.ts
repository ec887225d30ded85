import { Flow, Join, Sink, Source } from "@millrace/streams";
import { expect } from "chai";

describe("describe", () => {
  const graph = Source.from([1, 2])
    .map((n) => n)
    .withAttributes({ name: 'the "orders"' })
    .broadcast([Flow.of<number>().take(1), Flow.of<number>()], Join.merge<number>())
    .alsoTo(Sink.ignore)
    .to(Sink.head());

  it("prints a line per stage with what feeds it", () => {
    expect(graph.describe().split("\n")).to.deep.equal([
      "from",
      'the "orders" (map) <- from',
      'broadcast <- the "orders" (map)',
      "take <- broadcast",
      "merge <- take, broadcast",
      "alsoTo <- merge",
      "ignore <- alsoTo",
      "head <- alsoTo",
    ]);
  });

  it("prints a Mermaid flowchart, quotes escaped", () => {
    expect(graph.describe("mermaid").split("\n")).to.deep.equal([
      "flowchart LR",
      '  s0["from"]',
      '  s1["the #quot;orders#quot; (map)"]',
      '  s2["broadcast"]',
      '  s3["take"]',
      '  s4["merge"]',
      '  s5["alsoTo"]',
      '  s6["ignore"]',
      '  s7["head"]',
      "  s0 --> s1",
      "  s1 --> s2",
      "  s2 --> s3",
      "  s3 --> s4",
      "  s2 --> s4",
      "  s4 --> s5",
      "  s5 --> s6",
      "  s5 --> s7",
    ]);
  });
});
