import {
  checkGraph,
  type Committable,
  CommittableOffsetBatch,
  committableSink,
  type CommitterSettings,
  KafkaConnectorError,
  passThrough,
  produce,
  type ProducerEnvelope,
  produceMulti,
  string,
} from "@millrace/kafka";
import { Keep, Supervision } from "@millrace/streams";
import {
  assertAllClosed,
  checked,
  settle,
  type SourceProbe,
  sourceProbe,
  type VirtualClock,
  virtualClock,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { offsetSource } from "../graph-check/support/offset-source.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { FakeOwner } from "../support/fake-owner.js";
import type { FakeProducer } from "../support/fake-producer.js";
import { errorOf, rejectionOf } from "../support/until.js";

type Envelope = ProducerEnvelope<string, string, Committable | undefined>;

interface Bench {
  readonly upstream: SourceProbe<Envelope>;
  readonly done: Promise<void>;
  readonly sender: FakeProducer;
  readonly clock: VirtualClock;
  readonly owner: FakeOwner;
  /** An envelope with the record `v<offset>` and that offset. */
  readonly one: (offset: number) => Envelope;
}

const out = (value: string) => ({ topic: "out", value });

describe("committableSink", () => {
  interface Options {
    readonly committer?: CommitterSettings;
    readonly resumes?: boolean;
    /** Otherwise the client acknowledges by itself, in order. */
    readonly byHand?: boolean;
  }
  const onBench = (block: (bench: Bench) => Promise<void>, options: Options = {}): Promise<void> =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        if (options.byHand) producer.onSent = () => undefined;
      };
      const owner = new FakeOwner();
      const clock = virtualClock();
      const checks = checked();
      const committer = { maxBatch: 100, maxIntervalMs: 1000, ...options.committer };
      const [upstream, done] = sourceProbe<Envelope>()
        .toMat(committableSink<string, string>({ kafka: kafka.settings, value: string() }, committer), Keep.both)
        .withAttributes({ supervision: options.resumes ? Supervision.resumingDecider : Supervision.stoppingDecider })
        .run({ clock, wrap: checks.wrap });
      done.catch(() => undefined);
      const one = (offset: number): Envelope => produce(out(`v${offset}`), owner.offset(offset));
      await block({ upstream, done, sender: kafka.sender, clock, owner, one });
      upstream.complete();
      await settle();
      checks.verify();
    });

  const sentBy = (sender: FakeProducer): readonly string[] => sender.sent.map(({ record }) => String(record.value));
  const refused = (): KafkaConnectorError => new KafkaConnectorError("PRODUCE_FAILED", "refused");

  describe("failing", () => {
    it("K-10 commits what upstream gave before it failed, once that is acknowledged, then fails", () =>
      onBench(
        async ({ upstream, done, sender, owner, one }) => {
          upstream.sendChunk([one(0), one(1)]);
          await settle();
          const broken = new Error("upstream");
          upstream.fail(broken);
          sender.acknowledge(1);
          await settle();
          expect(owner.positions).to.deep.equal([]);
          sender.acknowledge(0);
          expect(await rejectionOf(done)).to.equal(broken);
          expect(owner.positions).to.deep.equal([[2]]);
        },
        { byHand: true },
      ));

    it("commits what was acknowledged before a record that failed, and nothing above it (I3)", () =>
      onBench(
        async ({ upstream, done, sender, owner, one }) => {
          upstream.sendChunk([one(0), one(1), one(2)]);
          await settle();
          sender.acknowledge(0, 2);
          const error = refused();
          sender.fail(1, error);
          expect(await rejectionOf(done)).to.equal(error);
          expect(owner.positions.at(-1) ?? [1]).to.deep.equal([1]);
        },
        { byHand: true },
      ));

    it("K-11 K-14 fails when a commit is not answered in time", () =>
      onBench(
        async ({ upstream, done, owner, one }) => {
          const timeout = new KafkaConnectorError("COMMIT_TIMEOUT", "no answer");
          owner.onCommit = (answer) => answer.fail(timeout);
          upstream.send(one(0));
          expect(await rejectionOf(done)).to.equal(timeout);
          expect(await upstream.expectCancel()).to.equal(timeout);
        },
        { committer: { maxBatch: 1 } },
      ));

    it("K-15 goes on after it with resume, and commits with the next", () =>
      onBench(
        async ({ upstream, done, owner, one }) => {
          let failures = 1;
          owner.onCommit = (answer) =>
            failures-- > 0 ? answer.fail(new KafkaConnectorError("COMMIT_TIMEOUT", "no answer")) : answer.open();
          upstream.send(one(0), one(1));
          upstream.complete();
          await done;
          expect(owner.positions).to.deep.equal([[1], [2]]);
        },
        { committer: { maxBatch: 1 }, resumes: true },
      ));

    it("K-12 K-13 with resume leaves a failed record out, commits the offset of the next, and completes", () =>
      onBench(
        async ({ upstream, done, sender, owner, one }) => {
          upstream.sendChunk([one(0), one(1)]);
          upstream.complete();
          await settle();
          sender.fail(0, refused());
          sender.acknowledge(1);
          await done;
          expect(owner.positions).to.deep.equal([[2]]);
          expect(sender.closes[0]).to.include({ drop: false });
        },
        { byHand: true, resumes: true },
      ));

    it("with resume completes when the last record outstanding fails after upstream has completed", () =>
      onBench(
        async ({ upstream, done, sender, owner, one }) => {
          upstream.send(one(0));
          upstream.complete();
          await settle();
          sender.fail(0, refused());
          await done;
          expect(owner.positions).to.deep.equal([]);
        },
        { byHand: true, resumes: true },
      ));

    it("with resume drops an envelope once, however many of its records fail", () =>
      onBench(
        async ({ upstream, done, sender, owner, one }) => {
          upstream.send(produceMulti([out("a"), out("b"), out("c")], owner.offset(0)), one(1));
          upstream.complete();
          await settle();
          sender.fail(0, refused());
          sender.fail(2, refused());
          sender.acknowledge(1);
          await settle();
          expect(owner.positions).to.deep.equal([]);
          sender.acknowledge(3);
          await done;
          expect(owner.positions).to.deep.equal([[2]]);
        },
        { byHand: true, resumes: true },
      ));

    it("refuses an offset that comes after a higher one, and commits none of them", () =>
      onBench(
        async ({ upstream, done, owner, one }) => {
          upstream.sendChunk([one(1), one(0)]);
          expect(await rejectionOf(done)).to.include({ code: "OFFSET_REORDERED" });
          expect(owner.positions).to.deep.equal([]);
        },
        { committer: { maxBatch: 2 } },
      ));

    it("names itself where its settings are nonsense", () => {
      const kafka = new FakeKafka().settings;
      const error = errorOf(() => committableSink({ kafka, parallelism: 0 }));
      expect((error as Error).message).to.match(/^committableSink: /);
      expect(errorOf(() => committableSink({ kafka }, { maxBatch: 0 }))).to.include({ code: "INVALID_SETTINGS" });
    });
  });

  it("alpakka-kafka#1242 commits no offset while an earlier record is not acknowledged, whatever is behind it", () =>
    onBench(
      async ({ upstream, sender, owner, one }) => {
        upstream.sendChunk([one(0), one(1), one(2)]);
        await settle();
        sender.acknowledge(2, 1);
        await settle();
        expect(owner.positions).to.deep.equal([]);
        sender.acknowledge(0);
        await settle();
        expect(owner.positions).to.deep.equal([[1], [2], [3]]);
      },
      { committer: { maxBatch: 1 }, byHand: true },
    ));

  it("is one-to-one for the graph check, so that nothing is noted or refused", () => {
    const sink = committableSink<string, string>({ kafka: new FakeKafka().settings, value: string() });
    const { hazards, notes } = checkGraph(
      offsetSource()
        .source.map(({ offset }) => produce(out("v"), offset))
        .to(sink),
    );
    expect([hazards, notes]).to.deep.equal([[], []]);
  });

  it("K-01 commits when the interval has passed, and not before", () =>
    onBench(async ({ upstream, sender, clock, owner, one }) => {
      upstream.send(one(0));
      await settle();
      expect(sentBy(sender)).to.deep.equal(["v0"]);
      await clock.advance(999);
      expect(owner.positions).to.deep.equal([]);
      await clock.advance(1);
      expect(owner.positions).to.deep.equal([[1]]);
    }));

  it("K-02 commits the offset of a pass-through behind a record, which it does not produce", () =>
    onBench(
      async ({ upstream, sender, owner, one }) => {
        upstream.sendChunk([one(0), passThrough(owner.offset(1))]);
        await settle();
        expect(sentBy(sender)).to.deep.equal(["v0"]);
        expect(owner.positions).to.deep.equal([[2]]);
      },
      { committer: { maxBatch: 2 } },
    ));

  it("K-03 commits as soon as the batch is full", () =>
    onBench(
      async ({ upstream, owner, one }) => {
        upstream.sendChunk([one(0), one(1), one(2)]);
        await settle();
        expect(owner.positions).to.deep.equal([[2]]);
      },
      { committer: { maxBatch: 2 } },
    ));

  it("K-04 commits pass-throughs alone", () =>
    onBench(
      async ({ upstream, sender, owner }) => {
        upstream.sendChunk([passThrough(owner.offset(0)), passThrough(owner.offset(1))]);
        await settle();
        expect(sentBy(sender)).to.deep.equal([]);
        expect(owner.positions).to.deep.equal([[2]]);
      },
      { committer: { maxBatch: 2 } },
    ));

  it("K-05 K-06 counts the offset of a multi-message once, also of an empty one", () =>
    onBench(
      async ({ upstream, sender, owner }) => {
        upstream.sendChunk([produceMulti([out("a"), out("b")], owner.offset(0)), produceMulti([], owner.offset(1))]);
        await settle();
        expect(sentBy(sender)).to.deep.equal(["a", "b"]);
        expect(owner.positions).to.deep.equal([]);
        upstream.send(produceMulti([out("c"), out("d")], owner.offset(2)));
        await settle();
        expect(owner.positions).to.deep.equal([[3]]);
      },
      { committer: { maxBatch: 3 } },
    ));

  it("commits a record of several envelopes with the last of them, which alone has the offset", () =>
    onBench(
      async ({ upstream, sender, owner }) => {
        upstream.sendChunk([produce(out("a")), produce(out("b")), produce(out("c"), owner.offset(0))]);
        await settle();
        sender.acknowledge(0, 2);
        await settle();
        expect(owner.positions).to.deep.equal([]);
        sender.acknowledge(1);
        await settle();
        expect(owner.positions).to.deep.equal([[1]]);
      },
      { committer: { maxBatch: 1 }, byHand: true },
    ));

  it("takes batches of offsets", () =>
    onBench(
      async ({ upstream, owner }) => {
        const batch = CommittableOffsetBatch.of(owner.offset(0)).updated(owner.offset(5, 1));
        upstream.send(produce(out("a"), batch));
        await settle();
        expect(owner.commits).to.have.length(1);
        expect(owner.positions[0]).to.have.members([1, 6]);
      },
      { committer: { maxBatch: 2 } },
    ));

  it("K-08 commits at completion, without waiting for the interval", () =>
    onBench(async ({ upstream, done, clock, owner, one }) => {
      upstream.send(one(0), one(1));
      upstream.complete();
      await done;
      expect(owner.positions).to.deep.equal([[2]]);
      expect(clock.pending).to.equal(0);
    }));

  it("K-09 also where the acknowledgements come after completion", () =>
    onBench(
      async ({ upstream, done, sender, owner, one }) => {
        upstream.send(one(0));
        upstream.complete();
        await settle();
        expect(owner.positions).to.deep.equal([]);
        sender.acknowledge(0);
        await done;
        expect(owner.positions).to.deep.equal([[1]]);
      },
      { byHand: true },
    ));

  it("K-17 completes without an element", () =>
    onBench(async ({ upstream, done, owner }) => {
      upstream.complete();
      await done;
      expect(owner.positions).to.deep.equal([]);
    }));
});
