import type { Item } from "../data.js";
import type { Subject } from "../pipelines.js";

const keyedValue = async (item: Item): Promise<number> => item.value;

const sumOf = async (window: readonly Promise<number>[], sum: number): Promise<number> => {
  for (const value of await Promise.all(window)) sum = (sum + value) | 0;
  return sum;
};

/** The floor: written by hand, the user's functions inlined; asynchronous work in windows of `Promise.all`. */
export const loop: Subject = {
  "map-filter-map"(items) {
    let sum = 0;
    for (let index = 0; index < items.length; index++) {
      const value = (items[index] as Item).value + 1;
      if ((value & 3) !== 0) sum = (sum + value * 2) | 0;
    }
    return sum;
  },

  "ten-maps"(items) {
    let sum = 0;
    for (let index = 0; index < items.length; index++) {
      const value = (((items[index] as Item).value + 2) ^ 3) + 5;
      sum = (sum + (((((value & 0xffff) * 3 - 7) | 1) + 11) ^ 13)) | 0;
    }
    return sum;
  },

  async "map-async-16"(items) {
    let sum = 0;
    let window: Promise<number>[] = [];
    for (let index = 0; index < items.length; index++) {
      window.push(keyedValue(items[index] as Item));
      if (window.length < 16) continue;
      sum = await sumOf(window, sum);
      window = [];
    }
    return sumOf(window, sum);
  },

  async "kafka-shape"(polls) {
    let sum = 0;
    let window: Promise<number>[] = [];
    for await (const chunk of polls) {
      for (let index = 0; index < chunk.length; index++) {
        const item = JSON.parse((chunk[index] as Buffer).toString()) as Item;
        if (item.value % 10 === 0) continue;
        window.push(keyedValue(item));
        if (window.length < 64) continue;
        sum = await sumOf(window, sum);
        window = [];
      }
    }
    return sumOf(window, sum);
  },
};
