import { expect } from "chai";
import { FetchedChunk } from "../../../src/consumer/partitions/fetched-chunk.js";
import { OwnedPartition } from "../../../src/consumer/partitions/owned-partition.js";
import { Auditor } from "../../../src/ledger/auditor.js";
import { NOTHING_FINISHED } from "../../../src/ledger/finished-set/finished-set.js";
import { FakeChunk, records } from "../../support/fake-chunk.js";
import { p0 } from "../../support/pipelines.js";
import { errorOf } from "../../support/until.js";

const EPOCH = 1;

describe("an owned partition", () => {
  let auditor: Auditor;
  let told: string[];
  let owned: OwnedPartition;
  const make = (claimBound?: number): void => {
    auditor = new Auditor();
    told = [];
    const listener = { onEnded: () => void told.push("ended"), onRoom: () => void told.push("room") };
    owned = new OwnedPartition(p0, EPOCH, auditor.assigned(p0.topic, p0.partition, EPOCH), listener, claimBound);
  };
  beforeEach(() => make());

  const read = (from: number, count: number): void => {
    const chunk = new FakeChunk(records(p0.topic, p0.partition, from, count));
    const fetched = new FetchedChunk(chunk, 1);
    for (const run of chunk.runs()) owned.add({ ...run, fetched });
  };
  const open = (from: number, to: number, now = 0): void => {
    for (let offset = from; offset < to; offset++) owned.open(offset, now);
  };
  const commit = (now = 0): number | undefined => {
    const watermark = owned.watermark(now);
    if (!watermark) return undefined;
    auditor.check([{ ...p0, epoch: EPOCH, position: watermark.position }]);
    owned.commitAcknowledged(watermark);
    return watermark.position;
  };

  it("commits nothing, and has no news, before somebody commits, whatever ends", () => {
    open(0, 2);
    owned.end(0, 0, "processed");
    expect([owned.hasNews, owned.watermark(0)]).to.deep.equal([false, undefined]);
    owned.commits();
    expect([owned.hasNews, commit(), owned.hasNews]).to.deep.equal([true, 1, false]);
  });

  it("commits nothing of what is fenced, though it is asked for again, and its auditor knows", () => {
    owned.commits();
    open(0, 2);
    owned.end(0, 0, "processed");
    const claim = owned.claim(2, "k", 0);
    expect(owned.blockingClaim).to.equal(claim);
    owned.fence();
    expect([owned.watermark(0), owned.watermark(0, true), owned.blockingClaim]).to.deep.equal(
      new Array(3).fill(undefined),
    );
    expect(owned.discardUnfinished(), "discards what is somebody else's").to.equal(false);
    expect(errorOf(() => auditor.check([{ ...p0, epoch: EPOCH, position: 1 }]))).to.have.property(
      "code",
      "DELIVERY_VIOLATED",
    );
  });

  it("commits again only what was committed before", () => {
    owned.commits();
    open(0, 1);
    expect(owned.watermark(0, true)).to.equal(undefined);
    owned.end(0, 0, "processed");
    expect(commit()).to.equal(1);
    expect(owned.watermark(0), "nothing new").to.equal(undefined);
    expect(owned.watermark(0, true)).to.have.property("position", 1);
  });

  it("never goes back where the answer to an earlier commit comes late", () => {
    owned.commits();
    open(0, 3);
    owned.endThrough(0, "a");
    const late = owned.watermark(0)!;
    owned.endThrough(2, "b");
    expect(commit()).to.equal(3);
    owned.commitAcknowledged(late);
    expect([owned.committed, owned.commit.covered]).to.deep.equal([3, 3]);
  });

  it("keeps what was asked for of the highest offset, whatever is asked for later", () => {
    owned.commits();
    open(0, 5);
    owned.endThrough(3, "high");
    owned.endThrough(1, "low");
    expect(owned.watermark(0)).to.include({ position: 4, asked: 4, metadata: "high" });
  });

  it("has news where part of those ended that share a claim", () => {
    make(1);
    owned.commits();
    open(0, 4);
    owned.endThrough(0, undefined);
    expect(commit()).to.equal(1);
    owned.endThrough(2, undefined);
    expect([owned.hasNews, commit(), owned.hasNews]).to.deep.equal([true, 3, false]);
  });

  it("has news where more is finished above the position, if commits store that, and once for each", () => {
    owned.commits();
    open(0, 4);
    owned.end(2, 2, "processed");
    expect(owned.hasNews).to.equal(false);
    owned.commit.rememberFinished(100, NOTHING_FINISHED);
    expect(owned.hasNews).to.equal(true);
    expect(owned.watermark(0)?.metadata).to.be.a("string");
    expect([commit(), owned.hasNews]).to.deep.equal([0, false]);
    owned.end(3, 3, "processed");
    expect(owned.hasNews).to.equal(true);
    owned.commit.forgetFinished();
    expect(owned.hasNews).to.equal(false);
  });

  it("commits the end behind hidden offsets once everything is finished, and its auditor agrees", () => {
    owned.commits();
    read(0, 1);
    owned.take(1);
    open(0, 1);
    owned.reading.reachEnd(9);
    expect(owned.hasNews).to.equal(false);
    owned.end(0, 0, "processed");
    expect([commit(), owned.hasNews]).to.deep.equal([9, false]);
  });

  it("knows since when a crash would repeat something, also of records that ended at once", () => {
    owned.commits();
    owned.pass(0, 5, "discarded");
    expect(owned.commit.replaysSince).to.equal(5);
    open(1, 3, 7);
    commit(8);
    expect(owned.commit.replaysSince, "the oldest above the position").to.equal(7);
    owned.end(1, 1, "processed");
    owned.end(2, 2, "processed");
    commit(9);
    expect(owned.commit.replaysSince).to.equal(undefined);
  });

  it("is read on from the first unfinished record, or from what was handed over last or read first", () => {
    expect([owned.position, owned.resumeAt]).to.deep.equal([undefined, undefined]);
    read(3, 6);
    expect([owned.position, owned.resumeAt], "read").to.deep.equal([undefined, 3]);
    owned.take(2);
    owned.take(2);
    expect([owned.position, owned.resumeAt, owned.handedOver], "handed over").to.deep.equal([7, 5, 4]);
    open(3, 7);
    expect([owned.position, owned.resumeAt], "unfinished").to.deep.equal([3, 3]);
    owned.endThrough(6, undefined);
    owned.reading.reachEnd(20);
    expect(owned.position, "some wait").to.equal(7);
    owned.take(2);
    open(7, 9);
    owned.endThrough(8, undefined);
    expect(owned.position, "all is through").to.equal(20);
  });

  it("reports room when the last of its holders releases it", () => {
    owned.hold();
    owned.hold();
    owned.release();
    expect([owned.isHeld, told]).to.deep.equal([true, []]);
    owned.release();
    expect([owned.isHeld, told]).to.deep.equal([false, ["room"]]);
  });

  it("delivers nothing more once it is abandoned, and nobody waits for it", () => {
    read(0, 3);
    owned.take(1);
    open(0, 1);
    expect(owned.isIdle).to.equal(false);
    owned.abandon();
    expect([owned.isIdle, owned.retired, owned.buffered, owned.bufferedBytes]).to.deep.equal([true, true, 0, 0]);
  });
});
