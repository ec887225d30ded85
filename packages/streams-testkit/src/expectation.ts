import { systemClock } from "@millrace/streams";

/** What a probe expected did not happen. */
export class ExpectationError extends Error {
  override readonly name = "ExpectationError";
}

/** The longest a probe waits for what it expects; real time, because streams may do real input and output. */
export const WITHIN_MS = 2000;

/** Answers `promise`, or fails with what was awaited once `withinMs` have passed. */
export const bounded = async <A>(promise: Promise<A>, awaited: string, withinMs: number): Promise<A> => {
  let expire = (): void => undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    expire = () => reject(new ExpectationError(`expected ${awaited} within ${withinMs} ms, but nothing happened`));
  });
  const timer = systemClock.schedule(withinMs, () => expire());
  try {
    return await Promise.race([promise, expired]);
  } finally {
    timer.cancel();
  }
};

const keysOf = (value: object): readonly string[] => Object.keys(value);

/** Whether two values are the same, looking into arrays, plain objects, sets and maps; other objects by identity. */
export const same = (left: unknown, right: unknown): boolean => {
  if (Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const prototype: unknown = Object.getPrototypeOf(left);
  if (prototype !== Object.getPrototypeOf(right)) return false;
  if (left instanceof Map || left instanceof Set) return same([...left], [...(right as Iterable<unknown>)]);
  if (!Array.isArray(left) && prototype !== Object.prototype && prototype !== null) return false;
  const keys = keysOf(left);
  return (
    keys.length === keysOf(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && same(Reflect.get(left, key), Reflect.get(right, key)))
  );
};

/** A value as text for a message. */
export const show = (value: unknown): string => {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : String(value);
  try {
    return JSON.stringify(value);
  } catch {
    // Cyclic or with bigints: its kind must do.
    return Object.prototype.toString.call(value);
  }
};
