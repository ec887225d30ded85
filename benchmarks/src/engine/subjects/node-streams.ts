import { Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Subject } from "../pipelines.js";

const map = <A, B>(f: (element: A) => B): Transform =>
  new Transform({
    objectMode: true,
    transform(element: A, _encoding, done) {
      done(null, f(element));
    },
  });

const filter = <A>(holds: (element: A) => boolean): Transform =>
  new Transform({
    objectMode: true,
    transform(element: A, _encoding, done) {
      if (holds(element)) done(null, element);
      else done();
    },
  });

const flatten = (): Transform =>
  new Transform({
    objectMode: true,
    transform(chunk: readonly unknown[], _encoding, done) {
      for (const element of chunk) this.push(element);
      done();
    },
  });

const ignore = (): void => undefined;

/**
 * Ordered and bounded, written by hand because Node's own, `Readable.map`, is ten times slower: a ring of promises, each
 * handled at once, for a rejection behind the oldest must not end the process.
 */
const mapAsync = <A, B>(parallelism: number, f: (element: A) => Promise<B>): Transform => {
  const ring = new Array<Promise<B> | undefined>(parallelism).fill(undefined);
  let next = 0;
  return new Transform({
    objectMode: true,
    highWaterMark: parallelism,
    transform(element: A, _encoding, done) {
      const slot = next;
      next = (next + 1) % parallelism;
      const oldest = ring[slot];
      const result = f(element);
      result.catch(ignore);
      ring[slot] = result;
      if (oldest) oldest.then((result) => done(null, result), done);
      else done();
    },
    flush(done) {
      const rest = [...ring.slice(next), ...ring.slice(0, next)].filter((promise) => promise !== undefined);
      Promise.all(rest).then((results) => {
        for (const result of results) this.push(result);
        done();
      }, done);
    },
  });
};

const sum = async (
  source: Readable,
  stages: readonly Transform[],
  add: (sum: number, value: number) => number,
): Promise<number> => {
  let state = 0;
  const sink = new Writable({
    objectMode: true,
    write(value: number, _encoding, done) {
      state = add(state, value);
      done();
    },
  });
  await pipeline([source, ...stages, sink]);
  return state;
};

export const nodeStreams: Subject = {
  "map-filter-map": (items, user) =>
    sum(Readable.from(items), [map(user.first), filter(user.keep), map(user.second)], user.add),

  "ten-maps": (items, user) => sum(Readable.from(items), [map(user.first), ...user.nine.map(map)], user.add),

  "map-async-16": (items, user) => sum(Readable.from(items), [mapAsync(16, user.call)], user.add),

  "kafka-shape": (polls, user) =>
    sum(Readable.from(polls), [flatten(), map(user.decode), filter(user.wanted), mapAsync(64, user.call)], user.add),
};
