/** An element that says that its record is not finished: something failed, and was handed on to be dealt with. */
export interface Unfinished {
  /** What to fail with where it reaches an end that would finish its record. */
  "~unfinished"(): Error;
}

/** What may reach an end that finishes records: anything but what says that it is unfinished. */
export type Finished = { valueOf(): unknown; readonly "~unfinished"?: undefined } | null | undefined | void;

const isUnfinished = (value: unknown): value is Unfinished =>
  typeof value === "object" && value !== null && (value as Partial<Unfinished>)["~unfinished"] !== undefined;

/** Throws the error of an unfinished element, or of one among those that were gathered in `value`. */
export const requireFinished = (value: unknown): void => {
  if (typeof value !== "object" || value === null) return;
  const unfinished: unknown = Array.isArray(value) ? value.find(isUnfinished) : value;
  if (isUnfinished(unfinished)) throw unfinished["~unfinished"]();
};
