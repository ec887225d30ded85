import { Keep, Sink, Source, Supervision } from "@millrace/streams";
import {
  type Committable,
  type CommittableOffset,
  CommittableOffsetBatch,
  committerFlow,
  type CommitterSettings,
} from "@millrace/kafka";
import { assertAllClosed, settle, sinkProbe, sourceProbe, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { OrderGuard } from "../../src/offsets/order-guard.js";
import { FakeOwner } from "../support/fake-owner.js";
import { rejectionOf } from "../support/until.js";

const batchOf = (...committables: readonly Committable[]): CommittableOffsetBatch =>
  committables.reduce<CommittableOffsetBatch>((batch, each) => batch.updated(each), CommittableOffsetBatch.empty);

const refusal = (...batches: readonly Committable[]): string | undefined => {
  const guard = new OrderGuard();
  for (const each of batches) {
    const error = guard.refuses(CommittableOffsetBatch.of(each), undefined);
    if (error) return error.message;
  }
  return undefined;
};

describe("the order guard", () => {
  let owner: FakeOwner;
  beforeEach(() => {
    owner = new FakeOwner("orders");
  });

  const committing = (committables: readonly Committable[], settings: CommitterSettings): Promise<unknown> =>
    assertAllClosed(() => Source.from(committables).via(committerFlow(settings)).runWith(Sink.toArray()));

  const offsets = (...given: readonly number[]): readonly CommittableOffset[] =>
    given.map((each) => owner.offset(each));

  describe("fails a stream of a committer", () => {
    it("before it commits the batch of an offset that is late, and says what to do", async () => {
      const error = await rejectionOf(committing(offsets(0, 1, 2, 5, 3, 6), { maxBatch: 2 }));
      expect(error).to.include({ name: "KafkaConnectorError", code: "OFFSET_REORDERED" });
      expect((error as Error).message).to.equal(
        "The committer of group orders was given offset 3 of t[0] after offset 5, which stands for all records before it: " +
          "one of them was still being worked on. Nothing from this batch on is committed. Keep offsets in order between " +
          "source and committer (checkGraph shows where it may be lost; add them to a CommittableOffsetBatch in the order " +
          "they come), or use sourceWithOffsetContext, where any order is safe.",
      );
      expect(owner.positions).to.deep.equal([[2], [6]]);
    });

    it("whose descent is within one batch", async () => {
      expect(await rejectionOf(committing(offsets(1, 0), { maxBatch: 100 }))).to.include({ code: "OFFSET_REORDERED" });
      expect(owner.positions).to.deep.equal([]);
    });

    it("whatever the decider says", async () => {
      const flow = committerFlow({ maxBatch: 1 }).withAttributes({ supervision: Supervision.resumingDecider });
      const run = Source.from(offsets(1, 0, 2))
        .via(flow)
        .runWith(Sink.ignore);
      expect(await rejectionOf(run)).to.include({ code: "OFFSET_REORDERED" });
      expect(owner.positions).to.deep.equal([[2]]);
    });

    it("that upstream failed, with upstream's failure as the cause", () =>
      assertAllClosed(async () => {
        const [upstream, downstream] = sourceProbe<Committable>()
          .via(committerFlow({ maxBatch: 10 }))
          .toMat(sinkProbe<CommittableOffsetBatch>(), Keep.both)
          .run();
        const broken = new Error("upstream");
        downstream.request();
        upstream.send(owner.offset(1), owner.offset(0));
        upstream.fail(broken);
        expect(await downstream.expectError()).to.include({ code: "OFFSET_REORDERED", cause: broken });
        expect(owner.positions).to.deep.equal([]);
      }));

    it("at the interval's end, and cancels upstream", () =>
      assertAllClosed(async () => {
        const clock = virtualClock();
        const [upstream, downstream] = sourceProbe<Committable>()
          .via(committerFlow({ maxBatch: 10, maxIntervalMs: 100 }))
          .toMat(sinkProbe<CommittableOffsetBatch>(), Keep.both)
          .run({ clock });
        downstream.request();
        upstream.send(owner.offset(1), owner.offset(0));
        await settle();
        await clock.advance(100);
        expect(await downstream.expectError()).to.include({ code: "OFFSET_REORDERED" });
        expect(await upstream.expectCancel()).to.include({ code: "OFFSET_REORDERED" });
        expect(owner.positions).to.deep.equal([]);
      }));

    it("although each batch of the author's own is in order", async () => {
      const batches = [batchOf(...offsets(0, 1, 4)), batchOf(...offsets(3, 5))];
      const error = await rejectionOf(committing(batches, { maxBatch: 1 }));
      expect((error as Error).message).to.include("offset 3 of t[0] after offset 4");
      expect(owner.positions).to.deep.equal([[5]]);
    });

    it("for the evidence that a batch of the author's own brings along, through batches of batches", async () => {
      const inner = batchOf(owner.offset(7), owner.offset(1, 1), owner.offset(6), owner.offset(8));
      const outer = batchOf(owner.offset(0), batchOf(inner, owner.offset(9)));
      const error = await rejectionOf(committing([outer], { maxBatch: 1 }));
      expect((error as Error).message).to.include("offset 6 of t[0] after offset 7");
      expect(owner.positions).to.deep.equal([]);
    });
  });

  it("lets pass what is in order, in runs, interleaved, with gaps, repeated, and in batches", async () => {
    const all = [
      ...offsets(0, 1, 1, 5),
      ...[0, 3, 9].flatMap((each) => [owner.offset(each, 1), owner.offset(each, 0, "u"), owner.offset(each, 2)]),
      batchOf(owner.offset(6), owner.offset(10, 1)),
      batchOf(),
      batchOf(batchOf(owner.offset(10, 1)), owner.offset(6), owner.offset(7)),
    ];
    for (const maxBatch of [1, 2, 3, 100]) await committing(all, { maxBatch });
  });

  it("takes an epoch for itself: a partition that came back may begin anew", () => {
    expect(refusal(owner.offset(9, 0, "t", 1), owner.offset(3, 0, "t", 2), owner.offset(4, 0, "t", 2))).to.equal(
      undefined,
    );
    expect(refusal(batchOf(owner.offset(9, 0, "t", 1), owner.offset(3, 0, "t", 2)))).to.equal(undefined);
    expect(refusal(owner.offset(9, 0, "t", 1), owner.offset(3, 0, "t", 2), owner.offset(2, 0, "t", 2))).to.match(
      /offset 2 of t\[0\] after offset 3,/,
    );
  });

  it("does not mind an offset of an old epoch that comes late, for it is inert", () => {
    expect(refusal(owner.offset(5, 0, "t", 2), owner.offset(3, 0, "t", 1), owner.offset(6, 0, "t", 2))).to.equal(
      undefined,
    );
  });

  it("takes each consumer for itself, also two of one group", () => {
    const other = new FakeOwner("orders");
    expect(refusal(owner.offset(5), other.offset(3), owner.offset(6), other.offset(4))).to.equal(undefined);
    expect(refusal(batchOf(owner.offset(5), other.offset(3)), batchOf(other.offset(2)))).to.include("offset 2 of t[0]");
  });

  it("finds a descent across the folds of a long batch", () => {
    const rising = Array.from({ length: 5000 }, (_, index) => owner.offset(index + 10, index % 3));
    expect(refusal(batchOf(...rising))).to.equal(undefined);
    for (const late of [0, 1, 2])
      expect(refusal(batchOf(...rising, owner.offset(5, late)))).to.include("offset 5 of t");
  });

  it("judges no assignment that is over, also where its next offsets have not come yet", () => {
    owner.gone.add(0);
    expect(refusal(owner.offset(5), owner.offset(3))).to.equal(undefined);
    owner.gone.delete(0);
    owner.epochs.set(0, 2);
    const late = [owner.offset(5), owner.offset(3), owner.offset(0, 0, "t", 2), owner.offset(1)];
    expect(refusal(...late)).to.equal(undefined);
    expect(refusal(batchOf(...late))).to.equal(undefined);
    expect(refusal(...late, owner.offset(9, 1), owner.offset(8, 1))).to.include("offset 8 of t[1] after offset 9");
  });

  it("commits on, with what an assignment that is over left behind in any order", async () => {
    owner.epochs.set(0, 2);
    await committing([...offsets(5, 3), owner.offset(0, 0, "t", 2), ...offsets(4, 1), owner.offset(1, 0, "t", 2)], {
      maxBatch: 3,
    });
    expect(owner.positions).to.deep.equal([[1], [2]]);
  });

  type Arrival = { readonly partition: number; readonly epoch: number; readonly offset: number };
  type Step =
    | { readonly is: "offset"; readonly partition: number; readonly before: number; readonly offset: number }
    | { readonly is: "lost" | "assigned"; readonly partition: number }
    | { readonly is: "committed" };

  const partitions = fc.nat(2);
  /** Offsets of the epoch of their partition or an earlier one, in any order; losses, assignments and commits between. */
  const steps = fc.array(
    fc.oneof<fc.WeightedArbitrary<Step>[]>(
      {
        weight: 6,
        arbitrary: fc.record({
          is: fc.constant("offset"),
          partition: partitions,
          before: fc.nat(2),
          offset: fc.nat(8),
        }),
      },
      { weight: 1, arbitrary: fc.record({ is: fc.constantFrom("lost", "assigned"), partition: partitions }) },
      { weight: 2, arbitrary: fc.record({ is: fc.constant("committed") }) },
    ),
    { maxLength: 40 },
  );

  const cut = (committables: readonly Committable[], cuts: readonly number[]): readonly CommittableOffsetBatch[] => {
    const batches: CommittableOffsetBatch[] = [];
    for (let from = 0, turn = 0; from < committables.length; turn++) {
      const length = cuts[turn % cuts.length] as number;
      batches.push(batchOf(...committables.slice(from, from + length)));
      from += length;
    }
    return batches;
  };

  const isDescent = (early: Arrival, late: Arrival): boolean =>
    early.partition === late.partition && early.epoch === late.epoch && early.offset > late.offset;

  it("refuses a batch exactly where a partition that is owned descends in its epoch, however batches are nested", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 });
    fc.assert(
      fc.property(steps, cuts, fc.nat(3), (given, sizes, depth) => {
        const consumer = new FakeOwner("orders");
        const guard = new OrderGuard();
        for (const partition of [0, 1, 2]) consumer.epochs.set(partition, 1);
        const epochOf = (partition: number): number => consumer.epochs.get(partition) as number;
        const arrived: Arrival[] = [];
        let gathered: Committable[] = [];
        for (const step of given) {
          if (step.is === "lost") consumer.gone.add(step.partition);
          else if (step.is === "assigned") {
            consumer.gone.delete(step.partition);
            consumer.epochs.set(step.partition, epochOf(step.partition) + 1);
          } else if (step.is === "offset") {
            const epoch = Math.max(1, epochOf(step.partition) - step.before);
            arrived.push({ partition: step.partition, epoch, offset: step.offset });
            gathered.push(consumer.offset(step.offset, step.partition, "t", epoch));
          } else {
            for (let level = 0; level < depth; level++) gathered = [...cut(gathered, sizes)];
            const refused = guard.refuses(batchOf(...gathered), undefined) !== undefined;
            gathered = [];
            const proven = arrived.some(
              (late, at) =>
                consumer.owns({ topic: "t", partition: late.partition }, late.epoch) &&
                arrived.slice(0, at).some((early) => isDescent(early, late)),
            );
            expect(refused).to.equal(proven);
            // The stream has failed.
            if (refused) return;
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("lets every interleaving of rising partitions pass, cut and batched at random", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3), { maxLength: 200 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (turns, cuts) => {
          const next = [0, 0, 0, 0];
          const arriving = turns.map((partition) =>
            owner.offset((next[partition] = (next[partition] ?? 0) + 1), partition),
          );
          expect(refusal(...arriving)).to.equal(undefined);
          expect(refusal(...cut(cut(arriving, cuts), cuts))).to.equal(undefined);
        },
      ),
    );
  });
});
