import type { Item } from "./data.js";

type NumberFunction = (value: number) => number;

/** The functions a pipeline is made of, as its author would write them. */
export interface UserFunctions {
  readonly first: (item: Item) => number;
  readonly keep: (value: number) => boolean;
  readonly second: NumberFunction;
  /** Behind `first` they make ten maps. */
  readonly nine: readonly NumberFunction[];
  readonly call: (item: Item) => Promise<number>;
  readonly decode: (payload: Buffer) => Item;
  readonly wanted: (item: Item) => boolean;
  readonly add: (sum: number, value: number) => number;
}

/** The ones that are timed. `loop` has the same, inlined by hand. */
export const measured: UserFunctions = {
  first: (item) => item.value + 1,
  keep: (value) => (value & 3) !== 0,
  second: (value) => value * 2,
  nine: [
    (value) => value + 1,
    (value) => value ^ 3,
    (value) => value + 5,
    (value) => value & 0xffff,
    (value) => value * 3,
    (value) => value - 7,
    (value) => value | 1,
    (value) => value + 11,
    (value) => value ^ 13,
  ],
  call: async (item) => item.value,
  decode: (payload) => JSON.parse(payload.toString()) as Item,
  wanted: (item) => item.value % 10 !== 0,
  add: (sum, value) => (sum + value) | 0,
};

/** What an application does beside the pipeline at hand: other functions, so that shared call sites have seen many. */
export const others: readonly UserFunctions[] = [
  {
    first: (item) => item.offset * 2,
    keep: (value) => value > 100,
    second: (value) => value / 3,
    nine: [
      (value) => value * 1.5,
      (value) => Math.floor(value),
      (value) => value % 1000,
      (value) => value + 0.25,
      (value) => Math.max(value, 2),
      (value) => value - 1,
      (value) => -value,
      (value) => Math.abs(value),
      (value) => value >> 1,
    ],
    call: async (item) => item.offset + 1,
    decode: (payload) => ({ key: "none", value: payload.length, offset: 0 }),
    wanted: (item) => item.key !== "k1",
    add: (sum, value) => sum + value,
  },
  {
    first: (item) => item.key.length,
    keep: (value) => value !== 7,
    second: (value) => value - 9,
    nine: [
      (value) => value + 101,
      (value) => value ^ 103,
      (value) => value + 105,
      (value) => value & 0xfffff,
      (value) => value % 9973,
      (value) => value - 107,
      (value) => value | 2,
      (value) => value + 111,
      (value) => value ^ 113,
    ],
    call: (item) => Promise.resolve(item.value).then((value) => value + 1),
    decode: (payload) => ({ key: payload.toString("latin1"), value: 1, offset: 1 }),
    wanted: (item) => item.value >= 0,
    add: (sum, value) => Math.max(sum, value),
  },
  {
    first: (item) => (item.value > 500 ? item.value : item.offset),
    keep: () => true,
    second: (value) => Math.sqrt(value),
    nine: [
      (value) => value + 1.5,
      (value) => value / 2,
      (value) => value * value,
      (value) => Math.sqrt(value),
      (value) => Math.round(value),
      (value) => value % 77,
      (value) => value + 3.5,
      (value) => Math.trunc(value),
      (value) => Math.min(value, 5),
    ],
    call: (item) => new Promise((resolve) => resolve(item.key.length)),
    decode: (payload) => ({ value: payload[3] ?? 0, offset: 5, key: "k" }),
    wanted: (item) => item.offset !== 12,
    add: (sum, value) => sum - value,
  },
];
