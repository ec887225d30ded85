import type { ProducerFailure, ProducerResult } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { InFlightRecords } from "../../src/producer/in-flight-records.js";
import { errorOf } from "../support/until.js";

/** Of each record. */
const BYTES = 10;
const MAX_BYTES = 30;
/** Records that are asked about, and results that wait. */
const ROOMS = [
  [0, 0],
  [2, 0],
  [0, 1],
  [1, 4],
] as const;

interface Open {
  readonly passThrough: number;
  readonly ids: number[];
  readonly unsettled: Set<number>;
  dropped: boolean;
}

/** Where the record of an id is said to be: in another partition than the ones before it. */
const partitionOf = (id: number): number => id % 7;
const offsetOf = (id: number): number => 10 * id;

const acknowledge = (inFlight: InFlightRecords<string, null, number>, id: number): void =>
  inFlight.acknowledge(id, partitionOf(id), offsetOf(id));

/** The same thing, obviously right and slow. */
class Model {
  readonly open: Open[] = [];
  nextId = 0;

  add(passThrough: number, records: number): void {
    const ids = Array.from({ length: records }, () => this.nextId++);
    this.open.push({ passThrough, ids, unsettled: new Set(ids), dropped: false });
  }

  /** What is held of records that are not reported or, where they are kept, of envelopes that have not left. */
  bytes(keepsRecords: boolean): number {
    const held = this.open.filter(({ unsettled }) => keepsRecords || unsettled.size > 0);
    return held.reduce((sum, { ids }) => sum + ids.length * BYTES, 0);
  }

  /** Ids from the first that is open on. */
  get span(): number {
    const first = this.open.find(({ ids }) => ids.length > 0)?.ids[0] ?? this.nextId;
    return this.nextId - first;
  }

  hasRoom(records: number, results: number, bound: number, keepsRecords: boolean): boolean {
    if (this.open.length === 0) return results < bound;
    if (this.bytes(keepsRecords) >= MAX_BYTES) return false;
    return this.span + records + results <= bound && this.open.length + results < bound;
  }

  get unsettled(): number[] {
    return this.open.flatMap(({ unsettled }) => [...unsettled]);
  }

  settle(id: number, drop: boolean): void {
    for (const each of this.open) if (each.unsettled.delete(id) && drop) each.dropped = true;
  }

  collect(): { readonly passThrough: number; readonly places: readonly string[] }[] {
    const results = [];
    while (this.open[0]?.unsettled.size === 0) {
      const { passThrough, ids, dropped } = this.open.shift() as Open;
      if (!dropped) results.push({ passThrough, places: ids.map((id) => `${partitionOf(id)}@${offsetOf(id)}`) });
    }
    return results;
  }
}

const envelopeOf = (passThrough: number, count: number) => ({
  records: Array.from({ length: count }, () => ({ topic: "t", value: null })),
  passThrough,
});

const collected = (inFlight: InFlightRecords<string, null, number>): ReturnType<Model["collect"]> => {
  const results: ProducerResult<number>[] = [];
  inFlight.collect(results);
  return results.map(({ passThrough, metadata }) => ({
    passThrough,
    places: metadata.map(({ partition, offset }) => `${partition}@${offset}`),
  }));
};

type Step =
  | { readonly do: "add"; readonly records: number }
  | { readonly do: "settle"; readonly pick: number; readonly drop: boolean }
  | { readonly do: "collect" };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("add"), records: fc.oneof(fc.nat(4), fc.constantFrom(0, 1, 700, 1500)) }),
    fc.record({ do: fc.constant("settle"), pick: fc.nat(), drop: fc.boolean() }),
    fc.record({ do: fc.constant("settle"), pick: fc.constant(0), drop: fc.constant(false) }),
    fc.record({ do: fc.constant("collect") }),
  ),
  { maxLength: 200 },
);

describe("InFlightRecords", () => {
  it("does what a plain list does, whatever is added and reported in whatever order", () => {
    fc.assert(
      // Many more are added than a small bound has room for.
      fc.property(steps, fc.boolean(), fc.constantFrom(1, 5, 100), (all, keepsRecords, bound) => {
        const inFlight = new InFlightRecords<string, null, number>(bound, MAX_BYTES, keepsRecords);
        const model = new Model();
        let passThrough = 0;
        for (const step of all) {
          if (step.do === "add") {
            inFlight.add(envelopeOf(passThrough, step.records), step.records * BYTES);
            model.add(passThrough++, step.records);
          } else if (step.do === "settle") {
            const { unsettled } = model;
            const id = unsettled[step.pick % unsettled.length];
            if (id === undefined) continue;
            model.settle(id, step.drop);
            if (step.drop) inFlight.drop(id);
            else acknowledge(inFlight, id);
          } else expect(collected(inFlight)).to.deep.equal(model.collect());
          expect(inFlight.nextId).to.equal(model.nextId);
          for (const [records, results] of ROOMS) {
            const has = model.hasRoom(records, results, bound, keepsRecords);
            expect(inFlight.hasRoom(records, results), `room for ${records} beside ${results}`).to.equal(has);
          }
        }
        for (const id of model.unsettled) {
          model.settle(id, false);
          acknowledge(inFlight, id);
        }
        expect(collected(inFlight)).to.deep.equal(model.collect());
        expect(inFlight.isEmpty).to.equal(true);
      }),
    );
  });

  it("has room for its bound of records and of envelopes, and always for one envelope alone", () => {
    const inFlight = new InFlightRecords<string, null, number>(3);
    expect(inFlight.hasRoom(10)).to.equal(true);
    inFlight.add(envelopeOf(0, 2), 0);
    expect([inFlight.hasRoom(1), inFlight.hasRoom(2)]).to.deep.equal([true, false]);
    inFlight.add(envelopeOf(1, 0), 0);
    inFlight.add(envelopeOf(2, 0), 0);
    expect(inFlight.hasRoom(0)).to.equal(false);
  });

  const failing = (count: number): InFlightRecords<string, null, number> => {
    const inFlight = new InFlightRecords<string, null, number>(100, MAX_BYTES, true);
    inFlight.add(envelopeOf(0, count), 0);
    return inFlight;
  };

  it("gives a failed envelope out only once all its records are settled", () => {
    const inFlight = failing(2);
    const results: unknown[] = [];
    inFlight.fail(1, new Error("late"));
    inFlight.collect(results as never[]);
    expect(results).to.deep.equal([]);
    inFlight.fail(0, new Error("first"));
    inFlight.collect(results as never[]);
    expect((results[0] as { readonly error: Error }).error.message).to.equal("first");
    expect(inFlight.isEmpty).to.equal(true);
  });

  it("keeps an envelope that is never sent in its place, and gives it no id", () => {
    const inFlight = failing(1);
    inFlight.addFailed(envelopeOf(1, 3), 2, new Error("unsent"));
    expect(inFlight.nextId).to.equal(1);
    expect(collected(inFlight)).to.deep.equal([]);
    inFlight.acknowledge(0, 0, 0);
    const results: (ProducerResult<number> | ProducerFailure<string, null, number>)[] = [];
    inFlight.collect(results);
    expect(results.map((each) => ("failed" in each ? each.failed.length : "result"))).to.deep.equal(["result", 3]);
  });

  it("refuses a second report of a record", () => {
    const inFlight = new InFlightRecords<string, null, number>(10);
    inFlight.add(envelopeOf(0, 2), 0);
    inFlight.acknowledge(0, 0, 0);
    expect(errorOf(() => inFlight.acknowledge(0, 0, 0))).to.include({ code: "INVARIANT_VIOLATION" });
  });

  it("refuses a second report also where the slot has a new record, whose envelope it would end too early", () => {
    const inFlight = new InFlightRecords<string, null, number>(1024);
    for (let id = 0; id < 1024; id++) {
      inFlight.add(envelopeOf(id, 1), 0);
      inFlight.acknowledge(id, 0, 0);
      collected(inFlight);
    }
    inFlight.add(envelopeOf(1024, 1), 0);
    expect(errorOf(() => inFlight.acknowledge(0, 0, 0))).to.include({ code: "INVARIANT_VIOLATION" });
    expect(collected(inFlight)).to.deep.equal([]);
  });
});
