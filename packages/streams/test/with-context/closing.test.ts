import { FlowWithContext, Keep, Sink, Source, SourceWithContext, Supervision, type WithClaim } from "@millrace/streams";
import { DONE, JointClaim } from "@millrace/streams/stage";
import { expect } from "chai";
import { recordingClaims } from "./recording-claims.js";

const numbers = (): FlowWithContext<number, number> => FlowWithContext.of<number>();
const countTo = (n: number): readonly number[] => Array.from({ length: n }, (_, index) => index);

describe("a joint claim", () => {
  it("ends its members once, when all its shares have ended, with the strongest outcome", () => {
    const claims = recordingClaims();
    const joint = new JointClaim([claims.open(), claims.open()]);
    joint.add(claims.open());
    joint.share(2);
    joint.end("discarded", "first");
    joint.end("parked");
    expect(claims.openIds()).to.deep.equal([0, 1, 2]);
    joint.at("here");
    expect(claims.get(2).place).to.equal("here");
    joint.end("discarded");
    expect(claims.openIds()).to.deep.equal([]);
    expect(claims.endOf(1)).to.deep.equal({ outcome: "parked", reason: "first" });
  });

  it("refuses one end too many", () => {
    const joint = new JointClaim([]);
    joint.end("processed");
    expect(() => joint.end("processed")).to.throw("a joint claim was ended more often than it was shared");
  });
});

describe("closing", () => {
  it("applies the sink's attributes to the whole graph, its source included", async () => {
    const claims = recordingClaims();
    const setting = Symbol("setting");
    const seen: unknown[] = [];
    const source = Source.fromStage<WithClaim<number>, void>({
      name: "settings",
      create(run) {
        seen.push(run.attributes[setting]);
        return { outlet: { pull: () => DONE, cancel() {} }, mat: undefined };
      },
    });
    const sink = claims.sink<number>({ [setting]: 3 });
    await SourceWithContext.fromSource(source).toMat(sink, Keep.right).run();
    expect(seen).to.deep.equal([3]);
  });

  it("discardContext ends every claim before its element is passed on", async () => {
    const claims = recordingClaims();
    const open: number[] = [];
    const plain = claims.source(countTo(3), 1).discardContext();
    const output = await plain.map((n) => (open.push(claims.openIds().length), n)).runWith(Sink.toArray());
    expect(output).to.deep.equal([0, 1, 2]);
    expect(open).to.deep.equal([0, 0, 0]);
    expect(claims.endOf(2)).to.deep.equal({ outcome: "discarded", reason: "context discarded" });
  });

  it("refuses wrong arguments while the graph is built", () => {
    expect(() => numbers().mapAsync(0, (n) => n)).to.throw("mapAsync: parallelism");
    expect(() => numbers().take(-1)).to.throw("take: count");
    expect(() => numbers().drop(-1)).to.throw("drop: count");
    expect(() => numbers().grouped(0)).to.throw("grouped: size");
    expect(() => numbers().buffer(0)).to.throw("buffer: bound");
    expect(() => numbers().throttle({ elements: 0, perMs: 1 })).to.throw("throttle: elements");
    expect(() =>
      numbers().mapAsyncPartitioned(
        0,
        (n) => n,
        (n) => n,
      ),
    ).to.throw("mapAsyncPartitioned: parallelism");
  });

  it("can be run as often as wanted", async () => {
    const claims = recordingClaims();
    const graph = claims
      .source(countTo(3))
      .batch(
        2,
        (n) => [n],
        (batch, n) => [...batch, n],
      )
      .withAttributes({ supervision: Supervision.resumingDecider })
      .toMat(claims.sink<readonly number[]>(), Keep.right);
    await graph.run();
    await graph.run();
    expect(claims.openIds()).to.deep.equal(countTo(6));
  });
});
