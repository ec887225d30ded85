/** What flows: few enough different objects to stay in the cache, so that the engines show and not the memory. */
export interface Item {
  readonly key: string;
  readonly value: number;
  readonly offset: number;
}

/** Elements after which the data repeat; every size measured is a multiple, so checksums of all sizes follow from one. */
export const PERIOD = 4000;

const CHUNK_ELEMENTS = 500;

const pool: readonly Item[] = Array.from({ length: PERIOD }, (_, index) => ({
  key: `k${index & 7}`,
  value: (index * 7919) & 0xffff,
  offset: index,
}));

const payloads: readonly Buffer[] = pool.map(({ key, value }) => Buffer.from(JSON.stringify({ key, value })));

export const items = (count: number): readonly Item[] =>
  Array.from({ length: count }, (_, index) => pool[index % PERIOD] as Item);

const CHUNKS_PER_PERIOD = PERIOD / CHUNK_ELEMENTS;

const chunks: readonly (readonly Buffer[])[] = Array.from({ length: CHUNKS_PER_PERIOD }, (_, index) =>
  payloads.slice(index * CHUNK_ELEMENTS, (index + 1) * CHUNK_ELEMENTS),
);

/** Chunks as a broker's client hands them over: one promise for each chunk. */
export const polls = (count: number): AsyncIterable<readonly Buffer[]> => ({
  [Symbol.asyncIterator]() {
    let polled = 0;
    return {
      async next() {
        if (polled * CHUNK_ELEMENTS >= count) return { done: true, value: undefined };
        const chunk = chunks[polled++ % CHUNKS_PER_PERIOD] as readonly Buffer[];
        return { done: false, value: chunk };
      },
    };
  },
});
