import fc from "fast-check";

/** A committed position with finished offsets above it, of the shapes that occur: dense, sparse, runs, holes. */
export interface Case {
  readonly position: number;
  readonly offsets: readonly number[];
}

const gap = fc.oneof(
  { weight: 6, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000_000 }) },
);

export const cases: fc.Arbitrary<Case> = fc
  .record({
    position: fc.oneof(fc.nat(1000), fc.integer({ min: 2 ** 31 - 5, max: 2 ** 52 })),
    first: fc.nat(5),
    gaps: fc.array(gap, { maxLength: 400, size: "max" }),
  })
  .map(({ position, first, gaps }) => {
    const offsets = [position + first];
    for (const step of gaps) offsets.push((offsets.at(-1) as number) + step);
    return { position, offsets };
  });

/** Every offset from the position to one past the last, and those between finished ones. */
export function* probes({ position, offsets }: Case): Generator<number> {
  for (let offset = Math.max(0, position - 2); offset < position + 8; offset++) yield offset;
  for (const offset of offsets) {
    yield offset - 1;
    yield offset;
    yield offset + 1;
  }
}

/** Records in flight, each finished with this chance, from a seed. */
export function finishedAtRandom(position: number, inFlight: number, chance: number, seed: number): number[] {
  const offsets: number[] = [];
  let state = seed;
  for (let index = 1; index < inFlight; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // The low bits of such a generator repeat soon; the high ones pass.
    if (state / 2 ** 32 < chance) offsets.push(position + index);
  }
  return offsets;
}
