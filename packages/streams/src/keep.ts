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
