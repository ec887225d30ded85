import fc from "fast-check";
import type { FlowLimits } from "../../../src/consumer/reading/flow-control.js";
import { FlowWorld } from "../../support/flow-world.js";

const sometimes = (max: number): fc.Arbitrary<number | undefined> =>
  fc.option(fc.integer({ min: 1, max }), { nil: undefined, freq: 2 });

const limits: fc.Arbitrary<FlowLimits> = fc.record({
  partitioned: fc.boolean(),
  withContext: fc.boolean(),
  maxPollRecords: fc.integer({ min: 1, max: 20 }),
  maxBufferedRecords: fc.integer({ min: 1, max: 20 }),
  maxBufferedBytes: fc.integer({ min: 10, max: 2000 }),
  maxInFlight: fc.integer({ min: 1, max: 12 }),
  maxInFlightTotal: fc.integer({ min: 1, max: 30 }),
  maxInFlightBytes: sometimes(500),
  maxReplay: fc.record({
    records: sometimes(30),
    ms: sometimes(12),
  }),
});

type Do = (world: FlowWorld, which: number) => void;

const onModel =
  (act: (world: FlowWorld, model: NonNullable<ReturnType<FlowWorld["at"]>>, which: number) => void): Do =>
  (world, which) => {
    const model = world.at(which);
    if (model) act(world, model, which);
  };

/** What may happen, and how often. */
const acts: Readonly<Record<string, readonly [weight: number, act: Do]>> = {
  reads: [8, (world, which) => world.read([which, which + 1, which * 3, which + 5])],
  readsOfOne: [4, (world, which) => world.read(new Array<number>(6).fill(which))],
  delivers: [8, (world, which) => void world.deliver(which, which)],
  endsOne: [5, onModel((world, model, which) => world.end(model, which))],
  endsSome: [
    5,
    onModel((world, model, which) => {
      for (let ended = 0; ended < 5; ended++) world.end(model, which);
    }),
  ],
  commits: [3, (world) => world.commit()],
  passesTime: [2, (world, which) => world.pass(which % 5)],
  pausesByUser: [1, onModel((world, model) => world.setPaused(model, !model.userPaused))],
  holds: [1, onModel((world, model) => world.setHeld(model, !model.held))],
  completes: [1, onModel((world, model, which) => which % 4 > 0 || world.complete(model))],
  retires: [1, onModel((world, model) => world.retire(model))],
  givesUp: [1, onModel((world, model, which) => world.giveUp(model, which % 4 > 0))],
  moves: [1, onModel((world, model) => model.retired || world.move(model))],
  forgetsAtClient: [1, (world) => world.forgetAtClient()],
};

const history = fc.array(
  fc.tuple(
    fc.constantFrom(...Object.entries(acts).flatMap(([name, [weight]]) => new Array<string>(weight).fill(name))),
    fc.nat(50),
  ),
  { maxLength: 150, size: "max" },
);

describe("flow control, whatever is read, delivered, finished, paused and revoked", () => {
  it("pauses a partition exactly at its bound, resumes it at half, stalls no other, and delivers within every bound", () =>
    fc.assert(
      fc.property(
        limits,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        history,
        (drawn, size, count, all) => {
          const world = new FlowWorld(drawn, size, count);
          for (const [name, which] of all) {
            acts[name]?.[1](world, which);
            world.expectHurry();
          }
          world.runDry();
        },
      ),
      { numRuns: 200 },
    )).timeout(60_000);
});
