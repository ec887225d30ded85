/** Records in flight all the time a subject is measured. */
export const IN_FLIGHT = 100_000;

/** The order in which the records of one block end, by their index in it. */
export type EndOrder = (size: number) => Int32Array;

/** Seeded, so that every subject gets the same work. */
const randoms = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const inDeliveryOrder: EndOrder = (size) => Int32Array.from({ length: size }, (_, index) => index);

const inReverse: EndOrder = (size) => inDeliveryOrder(size).reverse();

const atRandom: EndOrder = (size) => {
  const random = randoms(1);
  const order = inDeliveryOrder(size);
  for (let index = size - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    const moved = order[index] as number;
    order[index] = order[other] as number;
    order[other] = moved;
  }
  return order;
};

const KEYS = 10_000;

/** Keys drawn with a frequency of one through their rank; each key ends its own in order, and the keys take turns. */
const byZipfKey: EndOrder = (size) => {
  const random = randoms(2);
  const cumulated: number[] = [];
  let total = 0;
  for (let rank = 1; rank <= KEYS; rank++) cumulated.push((total += 1 / rank));
  const queues = new Map<number, number[]>();
  for (let index = 0; index < size; index++) {
    const drawn = random() * total;
    let low = 0;
    for (let high = KEYS - 1; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((cumulated[middle] as number) < drawn) low = middle + 1;
      else high = middle;
    }
    const queue = queues.get(low);
    if (queue) queue.push(index);
    else queues.set(low, [index]);
  }
  const order: number[] = [];
  for (let turn = 0; order.length < size; turn++) {
    for (const queue of queues.values()) {
      const index = queue[turn];
      if (index !== undefined) order.push(index);
    }
  }
  return Int32Array.from(order);
};

export const endOrders: Readonly<Record<string, EndOrder>> = {
  "in-order": inDeliveryOrder,
  reverse: inReverse,
  random: atRandom,
  zipf: byZipfKey,
};

/** What lies between one record's offset and the next one's: mostly 1, now and then the hole that compaction left. */
export const offsetGaps = (): Int32Array => {
  const random = randoms(3);
  return Int32Array.from({ length: 1024 }, () => (random() < 0.9 ? 1 : 2 + Math.floor(random() * 50)));
};
