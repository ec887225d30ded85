import { Sink, Source } from "@millrace/streams";
import type { Subject } from "../pipelines.js";

export const millrace: Subject = {
  "map-filter-map": (items, user) =>
    Source.from(items).map(user.first).filter(user.keep).map(user.second).runWith(Sink.fold(0, user.add)),

  "ten-maps": (items, user) =>
    user.nine.reduce((source, f) => source.map(f), Source.from(items).map(user.first)).runWith(Sink.fold(0, user.add)),

  "map-async-16": (items, user) => Source.from(items).mapAsync(16, user.call).runWith(Sink.fold(0, user.add)),

  "kafka-shape": (polls, user) =>
    Source.from(polls)
      .mapConcat((chunk) => chunk)
      .map(user.decode)
      .filter(user.wanted)
      .mapAsync(64, user.call)
      .runWith(Sink.fold(0, user.add)),

  async "for-await"(items, user) {
    let sum = 0;
    for await (const item of Source.from(items)) sum = user.add(sum, item.value);
    return sum;
  },
};
