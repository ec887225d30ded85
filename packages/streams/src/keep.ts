/** The usual ways to combine two materialised values. */
export const Keep: {
  readonly left: <L>(left: L, right: unknown) => L;
  readonly right: <R>(left: unknown, right: R) => R;
  readonly both: <L, R>(left: L, right: R) => [L, R];
  readonly none: (left: unknown, right: unknown) => void;
} = {
  left: (left) => left,
  right: (_left, right) => right,
  both: (left, right) => [left, right],
  none: () => undefined,
};

/**
 * `Keep.left` for a sink beside the stream: its failure reaches downstream too, so that a rejection of the promise dropped
 * here has been heard of.
 */
export const keepLeftOfBranch = <L>(left: L, right: unknown): L => {
  if (right instanceof Promise) right.catch(() => undefined);
  return left;
};
