import type { Item } from "../data.js";
import type { Subject } from "../pipelines.js";

const iteratorOf = (items: readonly Item[]): AsyncIterableIterator<Item> => {
  let next = 0;
  return {
    next: () =>
      next < items.length
        ? Promise.resolve({ done: false, value: items[next++] as Item })
        : Promise.resolve({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
};

/** What `for await` itself costs: an iterator written by hand over an array. */
export const iterator: Subject = {
  async "for-await"(items, user) {
    let sum = 0;
    for await (const item of iteratorOf(items)) sum = user.add(sum, item.value);
    return sum;
  },
};
