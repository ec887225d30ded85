import { Effect, Stream } from "effect";
import type { Subject } from "../pipelines.js";

const sum = (stream: Stream.Stream<number, unknown>, add: (sum: number, value: number) => number): Promise<number> =>
  Effect.runPromise(Stream.runFold(stream, () => 0, add));

export const effect: Subject = {
  "map-filter-map": (items, user) =>
    sum(
      Stream.fromIterable(items).pipe(
        Stream.map((item) => user.first(item)),
        Stream.filter(user.keep),
        Stream.map((value) => user.second(value)),
      ),
      user.add,
    ),

  "ten-maps": (items, user) =>
    sum(
      user.nine.reduce(
        (stream, f) => Stream.map(stream, f),
        Stream.map(Stream.fromIterable(items), (item) => user.first(item)),
      ),
      user.add,
    ),

  "map-async-16": (items, user) =>
    sum(
      Stream.mapEffect(Stream.fromIterable(items), (item) => Effect.promise(() => user.call(item)), {
        concurrency: 16,
      }),
      user.add,
    ),

  "kafka-shape": (polls, user) =>
    sum(
      Stream.fromAsyncIterable(polls, (error) => error).pipe(
        Stream.flattenIterable,
        Stream.map((payload) => user.decode(payload)),
        Stream.filter(user.wanted),
        Stream.mapEffect((item) => Effect.promise(() => user.call(item)), { concurrency: 64 }),
      ),
      user.add,
    ),
};
