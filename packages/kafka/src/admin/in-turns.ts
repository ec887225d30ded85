/** Calls `f` for every item, `width` at a time, and starts no more after a failure; results are in the items' order. */
export const inTurns = async <A, B>(
  items: readonly A[],
  width: number,
  f: (item: A) => Promise<B>,
): Promise<readonly B[]> => {
  const answers: B[] = [];
  let next = 0;
  const turns = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      try {
        answers[index] = await f(items[index] as A);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: width }, turns));
  return answers;
};
