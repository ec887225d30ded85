/** How the keys of a topic are spread. */
export interface KeyDistribution {
  readonly keys: number;
  /** Of Zipf's law: the key of rank r comes in proportion to 1 / r^exponent; 0 makes all keys alike. */
  readonly exponent: number;
}

const SEED = 20_260_721;

/** Marsaglia's xorshift of 32 bits: the same keys in every run. */
const randomUnits = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

const cumulated = ({ keys, exponent }: KeyDistribution): Float64Array => {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) sums[rank] = sum += (rank + 1) ** -exponent;
  return sums;
};

const firstAbove = (sums: Float64Array, value: number): number => {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** The keys of `records` records, as ranks from 0; shorter samples are beginnings of longer ones. */
export const sampleKeys = (distribution: KeyDistribution, records: number): Int32Array => {
  const sums = cumulated(distribution);
  const total = sums.at(-1) as number;
  const random = randomUnits(SEED);
  return Int32Array.from({ length: records }, () => firstAbove(sums, random() * total));
};

/** Records of the key that has most. */
export const hottest = (sample: Int32Array): number => {
  const counts = new Map<number, number>();
  let most = 0;
  for (const key of sample) {
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    if (count > most) most = count;
  }
  return most;
};
