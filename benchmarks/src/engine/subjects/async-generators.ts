import type { Subject } from "../pipelines.js";

async function* from<A>(elements: Iterable<A>): AsyncGenerator<A> {
  for (const element of elements) yield element;
}

async function* flatten<A>(chunks: AsyncIterable<readonly A[]>): AsyncGenerator<A> {
  for await (const chunk of chunks) for (const element of chunk) yield element;
}

async function* map<A, B>(elements: AsyncIterable<A>, f: (element: A) => B): AsyncGenerator<B> {
  for await (const element of elements) yield f(element);
}

async function* filter<A>(elements: AsyncIterable<A>, holds: (element: A) => boolean): AsyncGenerator<A> {
  for await (const element of elements) if (holds(element)) yield element;
}

const ignore = (): void => undefined;

/** Ordered and bounded: a ring of promises, each handled at once, for a rejection behind the oldest must not end the process. */
async function* mapAsync<A, B>(
  elements: AsyncIterable<A>,
  parallelism: number,
  f: (element: A) => Promise<B>,
): AsyncGenerator<B> {
  const ring = new Array<Promise<B> | undefined>(parallelism).fill(undefined);
  let next = 0;
  for await (const element of elements) {
    const oldest = ring[next];
    if (oldest) yield oldest;
    const result = f(element);
    result.catch(ignore);
    ring[next] = result;
    next = (next + 1) % parallelism;
  }
  for (let left = 0; left < parallelism; left++) {
    const oldest = ring[(next + left) % parallelism];
    if (oldest) yield oldest;
  }
}

const fold = async <A, S>(elements: AsyncIterable<A>, zero: S, f: (state: S, element: A) => S): Promise<S> => {
  let state = zero;
  for await (const element of elements) state = f(state, element);
  return state;
};

export const asyncGenerators: Subject = {
  "map-filter-map": (items, user) =>
    fold(map(filter(map(from(items), user.first), user.keep), user.second), 0, user.add),

  "ten-maps": (items, user) =>
    fold(
      user.nine.reduce((elements, f) => map(elements, f), map(from(items), user.first)),
      0,
      user.add,
    ),

  "map-async-16": (items, user) => fold(mapAsync(from(items), 16, user.call), 0, user.add),

  "kafka-shape": (polls, user) =>
    fold(mapAsync(filter(map(flatten(polls), user.decode), user.wanted), 64, user.call), 0, user.add),

  async "for-await"(items, user) {
    let sum = 0;
    for await (const item of from(items)) sum = user.add(sum, item.value);
    return sum;
  },
};
