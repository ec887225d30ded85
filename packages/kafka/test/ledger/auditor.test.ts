import { InvariantViolation } from "@millrace/streams";
import { expect } from "chai";
import fc from "fast-check";
import { type AuditedPosition, Auditor, type AuditTrail, DeliveryViolation } from "../../src/ledger/auditor.js";

const at = (position: number, epoch = 1, partition = 0): readonly AuditedPosition[] => [
  { topic: "t", partition, epoch, position },
];

const violationOf = (run: () => void): DeliveryViolation => {
  try {
    run();
  } catch (error) {
    if (error instanceof DeliveryViolation) return error;
    throw error;
  }
  throw new Error("nothing was found wrong");
};

const trailOf = (auditor: Auditor, ...offsets: readonly number[]): AuditTrail => {
  const trail = auditor.assigned("t", 0, 1);
  for (const offset of offsets) trail.delivered(offset);
  return trail;
};

/** What a partition's account must be, as a list of all its records. */
interface Account {
  readonly trail: AuditTrail;
  readonly partition: number;
  readonly epoch: number;
  readonly records: { readonly offset: number; ended: boolean }[];
  sent: number;
  owned: boolean;
}

const lowestOpen = ({ records }: Account): number | undefined => records.find(({ ended }) => !ended)?.offset;

/** The highest position that may be committed. */
const bound = (account: Account): number => lowestOpen(account) ?? (account.records.at(-1)?.offset ?? -1) + 1;

/** Numbers from 0 (inclusive) to 1 (exclusive) say which of what is there then. */
type Step = { readonly partition: number; readonly part: number } & (
  | { readonly do: "deliver"; readonly gaps: readonly number[] }
  | { readonly do: "end"; readonly which: readonly number[] }
  | { readonly do: "endThrough" | "commit" | "commitAll" | "revoke" | "assign" }
);

const part = fc.double({ min: 0, max: 0.999, noNaN: true });
/** Neighbours, holes within a page, holes of many pages and of more than 32 bits. */
const gap = fc.oneof(
  { weight: 20, arbitrary: fc.constant(1) },
  { weight: 8, arbitrary: fc.integer({ min: 2, max: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 500, max: 5000 }) },
  { weight: 1, arbitrary: fc.constant(2 ** 33 + 7) },
);
const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("deliver"),
      partition: fc.nat(2),
      part,
      gaps: fc.array(gap, { maxLength: 40, size: "max" }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("end"),
      partition: fc.nat(2),
      part,
      which: fc.array(part, { maxLength: 40, size: "max" }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("endThrough", "commit", "commit", "commitAll", "revoke", "assign"),
      partition: fc.nat(2),
      part,
    }),
  },
);

/** A consumer that never does wrong, and what it tells the auditor. */
class History {
  readonly auditor = new Auditor();
  readonly accounts: Account[] = [0, 1, 2].map((partition) => this.#assign(partition, 1));

  #assign(partition: number, epoch: number): Account {
    const trail = this.auditor.assigned("t", partition, epoch);
    return { trail, partition, epoch, records: [], sent: -1, owned: true };
  }

  #commit(account: Account, position: number): void {
    if (!account.owned || position < account.sent || account.records.length === 0) return;
    const positions = at(position, account.epoch, account.partition);
    this.auditor.check(positions);
    account.sent = position;
    this.auditor.committed(positions);
  }

  take(step: Step): void {
    const account = this.accounts[step.partition]!;
    const { records, trail } = account;
    if (step.do === "deliver") {
      for (const gap of step.gaps) {
        const offset = (records.at(-1)?.offset ?? -1) + gap;
        trail.delivered(offset);
        records.push({ offset, ended: false });
      }
    } else if (step.do === "end") {
      const open = records.filter(({ ended }) => !ended);
      for (const which of step.which) {
        const [record] = open.splice(Math.floor(which * open.length), 1);
        if (record) {
          trail.ended(record.offset);
          record.ended = true;
        }
      }
    } else if (step.do === "endThrough") {
      const through = records[Math.floor(step.part * records.length)]?.offset ?? 0;
      trail.endedThrough(through);
      for (const record of records) record.ended ||= record.offset <= through;
    } else if (step.do === "commit") {
      this.#commit(account, Math.max(account.sent, Math.floor(step.part * (bound(account) + 1))));
    } else if (step.do === "commitAll") this.#commit(account, bound(account));
    else if (step.do === "revoke") {
      trail.fenced();
      account.owned = false;
    } else this.accounts[step.partition] = this.#assign(step.partition, account.epoch + 1);
  }
}

/** Commits that are wrong now; which of them there are depends on the history. */
const wrongCommits = (account: Account): readonly AuditedPosition[] => {
  const { partition, epoch } = account;
  const positions = [bound(account) + 1, bound(account) + 1000, (account.records.at(-1)?.offset ?? -1) + 2];
  if (account.sent > 0) positions.push(account.sent - 1, 0);
  const after = account.records.filter(({ offset }) => offset > bound(account));
  positions.push(...after.map(({ offset }) => offset));
  if (!account.owned) positions.push(bound(account));
  return [
    ...positions.flatMap((position) => at(position, epoch, partition)),
    ...at(bound(account), epoch - 1, partition),
    ...at(bound(account), epoch + 1, partition),
    ...at(bound(account), epoch, 7),
  ];
};

describe("Auditor", () => {
  it("refuses a position above the lowest unfinished offset, and says which (I1)", () => {
    const auditor = new Auditor();
    const trail = trailOf(auditor, 5, 600, 1300, 1301);
    trail.ended(5);
    trail.ended(1300);
    auditor.check(at(600));
    const violation = violationOf(() => auditor.check(at(601)));
    expect(violation).to.be.instanceOf(InvariantViolation);
    expect(violation).to.include({ topic: "t", partition: 0, epoch: 1, position: 601, lowestUnfinished: 600 });
    expect(violation.message).to.include("t[0], epoch 1: position 601").and.to.include("offset 600 is unfinished");
    trail.ended(600);
    auditor.check(at(1301));
    expect(violationOf(() => auditor.check(at(1302))).lowestUnfinished).to.equal(1301);
  });

  it("refuses a position above what was delivered", () => {
    const auditor = new Auditor();
    const trail = trailOf(auditor);
    expect(violationOf(() => auditor.check(at(1))).message).to.include("was delivered");
    trail.delivered(41);
    trail.ended(41);
    auditor.check(at(42));
    expect(violationOf(() => auditor.check(at(43))).message).to.include("nothing above offset 41 was delivered");
  });

  it("refuses a position below an earlier one of the epoch, whether that was stored or not (I7)", () => {
    const auditor = new Auditor();
    trailOf(auditor, 1, 2, 3).endedThrough(3);
    auditor.check(at(4));
    auditor.check(at(4));
    expect(violationOf(() => auditor.check(at(3))).message)
      .to.include("position 3")
      .and.to.include("after 4");
  });

  it("refuses a partition that was never owned, is no longer, or is under another epoch (I5, I6)", () => {
    const auditor = new Auditor();
    const trail = trailOf(auditor, 1);
    trail.ended(1);
    expect(violationOf(() => auditor.check(at(2, 1, 1))).message).to.include("not owned");
    expect(violationOf(() => auditor.check(at(2, 2))).message).to.include("not owned");
    trail.fenced();
    expect(violationOf(() => auditor.check(at(2))).message).to.include("no longer owned");
    auditor.assigned("t", 0, 2);
    expect(violationOf(() => auditor.check(at(2))).message).to.include("not owned");
  });

  it("refuses a record that is delivered again, ended again, or ended without having been delivered", () => {
    const trail = trailOf(new Auditor(), 3, 4, 2000);
    trail.ended(3);
    for (const wrong of [() => trail.ended(3), () => trail.ended(5), () => trail.ended(9000)]) {
      expect(violationOf(wrong).message).to.include("is not unfinished");
    }
    expect(violationOf(() => trail.delivered(2000)).message).to.include("offset 2000 was delivered after 2000");
    expect(violationOf(() => trail.delivered(4)).message).to.include("offset 4 was delivered after 2000");
  });

  it("refuses an assignment that is not newer than the last", () => {
    const auditor = new Auditor();
    auditor.assigned("t", 0, 2);
    expect(violationOf(() => auditor.assigned("t", 0, 2)).message).to.include("assigned after epoch 2");
  });

  it("refuses to hear that a position is stored which it never saw", () => {
    const auditor = new Auditor();
    trailOf(auditor, 1, 2).endedThrough(2);
    auditor.check(at(2));
    auditor.committed(at(2));
    expect(violationOf(() => auditor.committed(at(3))).message).to.include("without having been checked");
  });

  it("takes no notice of what becomes of a lost partition's records and commits (I6)", () => {
    const auditor = new Auditor();
    const trail = trailOf(auditor, 1, 2);
    trail.fenced();
    trail.delivered(1);
    trail.ended(2);
    trail.ended(2);
    trail.endedThrough(9);
    auditor.committed(at(3));
    const next = auditor.assigned("t", 0, 2);
    next.delivered(1);
    trail.ended(1);
    auditor.committed(at(3));
    expect(violationOf(() => auditor.check(at(2, 2))).lowestUnfinished).to.equal(1);
  });

  it("leaves open what was delivered after the offset through which all is finished was named", () => {
    const auditor = new Auditor();
    const trail = trailOf(auditor, 1, 2);
    trail.endedThrough(100);
    trail.delivered(50);
    auditor.check(at(50));
    expect(violationOf(() => auditor.check(at(51))).lowestUnfinished).to.equal(50);
  });

  it("finds nothing wrong with a consumer that does right, whatever its history", () =>
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const history = new History();
        for (const step of steps) history.take(step);
      }),
      { numRuns: 400 },
    )).timeout(20_000);

  it("catches every wrong commit, whatever came before", () => {
    let caught = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: "max" }), fc.nat(2), part, (steps, partition, which) => {
        const history = new History();
        for (const step of steps) history.take(step);
        const wrong = wrongCommits(history.accounts[partition]!);
        const commit = wrong[Math.floor(which * wrong.length)]!;
        const violation = violationOf(() => history.auditor.check([commit]));
        expect(violation).to.include(commit);
        caught += 1;
      }),
      { numRuns: 1000 },
    );
    expect(caught).to.equal(1000);
  }).timeout(20_000);

  const heap = (): number => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };

  for (const how of ["ended", "endedThrough"] as const) {
    it(`keeps memory for what is in flight only, and not for what has ${how}`, () => {
      const trail = new Auditor().assigned("t", 0, 1);
      const inFlight = 1000;
      const run = (from: number, to: number): void => {
        for (let record = from; record < to; record++) {
          trail.delivered(record * 7);
          if (record >= inFlight) trail[how]((record - inFlight) * 7);
        }
      };
      run(0, 10_000);
      const before = heap();
      run(10_000, 1_000_000);
      expect(heap() - before).to.be.below(1_000_000);
    });
  }
});
