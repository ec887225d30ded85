import { type Committable, CommittableOffset, CommittableOffsetBatch } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { FakeOwner } from "../support/fake-owner.js";

const owners = [new FakeOwner("g"), new FakeOwner("g"), new FakeOwner("h")];

const offsets = fc
  .record({
    owner: fc.constantFrom(...owners),
    topic: fc.constantFrom("t", "u"),
    partition: fc.nat(2),
    offset: fc.nat(20),
    epoch: fc.nat(3),
    metadata: fc.option(fc.constantFrom("", "a", "b"), { nil: undefined }),
  })
  .map(
    ({ owner, topic, partition, offset, epoch, metadata }) =>
      new CommittableOffset(owner, topic, partition, offset, epoch, metadata),
  );

const batchOf = (committables: readonly Committable[]): CommittableOffsetBatch =>
  committables.reduce<CommittableOffsetBatch>((batch, each) => batch.updated(each), CommittableOffsetBatch.empty);

const batches = fc.array(offsets, { maxLength: 12 }).map(batchOf);

/** Positions as a set, by consumer: two consumers of one group are two. */
const setOf = (batch: CommittableOffsetBatch): ReadonlySet<string> =>
  new Set(
    [...batch.positions()].flatMap(([owner, own]) =>
      [...own.values()].map((position) => JSON.stringify([owners.indexOf(owner as FakeOwner), position])),
    ),
  );

const same = (a: CommittableOffsetBatch, b: CommittableOffsetBatch): void => {
  expect(setOf(a)).to.deep.equal(setOf(b));
};

describe("merging CommittableOffsetBatch", () => {
  it("is associative", () => {
    fc.assert(
      fc.property(batches, batches, batches, (a, b, c) => {
        same(a.updated(b).updated(c), a.updated(b.updated(c)));
      }),
    );
  });

  it("is commutative", () => {
    fc.assert(fc.property(batches, batches, (a, b) => same(a.updated(b), b.updated(a))));
  });

  it("is idempotent but for its size", () => {
    fc.assert(
      fc.property(batches, (a) => {
        same(a.updated(a), a);
        expect(a.updated(a).size).to.equal(2 * a.size);
      }),
    );
  });

  it("has the empty batch as identity", () => {
    const { empty } = CommittableOffsetBatch;
    fc.assert(
      fc.property(batches, (a) => {
        same(empty.updated(a), a);
        same(a.updated(empty), a);
        expect(a.updated(empty).size).to.equal(a.size);
      }),
    );
    expect(empty.isEmpty).to.equal(true);
  });

  it("changes neither operand", () => {
    fc.assert(
      fc.property(batches, batches, (a, b) => {
        const before = [setOf(a), setOf(b)];
        a.updated(b);
        expect([setOf(a), setOf(b)]).to.deep.equal(before);
      }),
    );
  });

  it("lets the later epoch win, whatever its position", () => {
    fc.assert(
      fc.property(offsets, offsets, (a, b) => {
        fc.pre(a.epoch < b.epoch && a.owner === b.owner && a.topic === b.topic && a.partition === b.partition);
        const [merged] = batchOf([a, b]).offsets();
        expect(merged).to.include({ epoch: b.epoch, position: b.offset + 1 });
      }),
      { numRuns: 20, maxSkipsPerRun: 10_000 },
    );
  });

  it("answers one position for each consumer and partition: the highest of its latest epoch", () => {
    fc.assert(
      fc.property(fc.array(offsets, { minLength: 1, maxLength: 30 }), (all) => {
        const expected = new Map<string, number>();
        const keyOf = ({ owner, topic, partition }: CommittableOffset): string =>
          JSON.stringify([owners.indexOf(owner as FakeOwner), topic, partition]);
        for (const each of all) {
          const rivals = all.filter((other) => keyOf(other) === keyOf(each));
          const epoch = Math.max(...rivals.map((other) => other.epoch));
          expected.set(
            keyOf(each),
            1 + Math.max(...rivals.filter((other) => other.epoch === epoch).map(({ offset }) => offset)),
          );
        }
        const found = [...batchOf(all).positions()].flatMap(([owner, own]) =>
          [...own.values()].map(({ topic, partition, position }): [string, number] => [
            JSON.stringify([owners.indexOf(owner as FakeOwner), topic, partition]),
            position,
          ]),
        );
        expect(new Map(found)).to.deep.equal(expected);
      }),
    );
  });

  it("is the same before and after it folds its list, at 1024 offsets and beyond", () => {
    const [owner] = owners;
    for (const count of [1023, 1024, 1025, 2048, 3000]) {
      const all = Array.from({ length: count }, (_, index) => owner!.offset(index, index % 7));
      const batch = batchOf(all);
      expect(batch.size).to.equal(count);
      // Merged in pieces of ten, it never folds.
      let pieces = CommittableOffsetBatch.empty;
      for (let from = 0; from < count; from += 10) pieces = pieces.updated(batchOf(all.slice(from, from + 10)));
      same(batch, pieces);
      expect(batch.offsets()).to.have.length(7);
    }
  });

  it("takes a long chain of batches, each added to the next", () => {
    const [owner] = owners;
    let batch = CommittableOffsetBatch.empty;
    for (let offset = 0; offset < 20_000; offset++) {
      batch = CommittableOffsetBatch.of(owner!.offset(offset)).updated(batch);
    }
    expect(batch.offsets().map(({ position }) => position)).to.deep.equal([20_000]);
    expect(batch.size).to.equal(20_000);
  });
});
