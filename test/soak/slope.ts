/** A straight line through points, by least squares. */
export interface Line {
  /** Growth of `y` for each 1 of `x`. */
  readonly slope: number;
  readonly mean: number;
  /** From the first to the last `x`. */
  readonly span: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Undefined for less than three points. */
export const fitLine = (points: readonly Point[]): Line | undefined => {
  const count = points.length;
  const [first, last] = [points[0], points.at(-1)];
  if (count < 3 || first === undefined || last === undefined) return undefined;
  const meanX = points.reduce((total, { x }) => total + x, 0) / count;
  const mean = points.reduce((total, { y }) => total + y, 0) / count;
  const covariance = points.reduce((total, { x, y }) => total + (x - meanX) * (y - mean), 0);
  const variance = points.reduce((total, { x }) => total + (x - meanX) ** 2, 0);
  return { slope: variance === 0 ? 0 : covariance / variance, mean, span: last.x - first.x };
};

/** What the line says was gained from its first point to its last; negative: lost. */
export const gainOf = ({ slope, span }: Line): number => slope * span;
