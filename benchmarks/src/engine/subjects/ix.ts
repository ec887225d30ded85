import { from, reduce } from "ix/asynciterable";
import { filter, flatMap, map } from "ix/asynciterable/operators";
import type { Subject } from "../pipelines.js";

/** ix has no ordered, bounded mapAsync; the nearest is flatMap with a concurrency, which is unordered. */
export const ix: Subject = {
  "map-filter-map": (items, user) =>
    reduce(from(items).pipe(map(user.first), filter(user.keep), map(user.second)), { callback: user.add, seed: 0 }),

  "ten-maps": (items, user) =>
    reduce(
      user.nine.reduce((elements, f) => elements.pipe(map(f)), from(items).pipe(map(user.first))),
      { callback: user.add, seed: 0 },
    ),

  "map-async-16": (items, user) =>
    reduce(from(items).pipe(flatMap((item) => from([user.call(item)]), 16)), { callback: user.add, seed: 0 }),

  "kafka-shape": (polls, user) =>
    reduce(
      from(polls).pipe(
        flatMap((chunk) => from(chunk), 1),
        map(user.decode),
        filter(user.wanted),
        flatMap((item) => from([user.call(item)]), 64),
      ),
      { callback: user.add, seed: 0 },
    ),
};
