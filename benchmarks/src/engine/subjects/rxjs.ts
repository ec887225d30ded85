import { concatMap, filter, from, lastValueFrom, map, mergeMap, reduce } from "rxjs";
import type { Subject } from "../pipelines.js";

/** rxjs has no backpressure, and no ordered mapAsync with a bound; mergeMap is unordered and queues without a bound. */
export const rxjs: Subject = {
  "map-filter-map": (items, user) =>
    lastValueFrom(from(items).pipe(map(user.first), filter(user.keep), map(user.second), reduce(user.add, 0))),

  "ten-maps": (items, user) =>
    lastValueFrom(
      user.nine
        .reduce((elements, f) => elements.pipe(map(f)), from(items).pipe(map(user.first)))
        .pipe(reduce(user.add, 0)),
    ),

  "map-async-16": (items, user) => lastValueFrom(from(items).pipe(mergeMap(user.call, 16), reduce(user.add, 0))),

  "kafka-shape": (polls, user) =>
    lastValueFrom(
      from(polls).pipe(
        concatMap((chunk) => from(chunk)),
        map(user.decode),
        filter(user.wanted),
        mergeMap(user.call, 64),
        reduce(user.add, 0),
      ),
    ),
};
