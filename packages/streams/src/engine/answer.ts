/** A promise of this realm with this built-in `then` settles once, and asynchronously. */
const then: unknown = Reflect.get(Promise.prototype, "then");

/**
 * The promise for what user code answered, if it comes later. Any other thenable, including a function with `then`, is
 * adapted, because it may settle twice, at once, or with another thenable. Throws what reading its `then` throws.
 */
export const promiseOf = <A>(answer: A | PromiseLike<A>): Promise<A> | undefined => {
  if ((typeof answer !== "object" || answer === null) && typeof answer !== "function") return undefined;
  const asked = (answer as { readonly then?: unknown }).then;
  if (asked === then && answer.constructor === Promise) return answer;
  if (typeof asked !== "function") return undefined;
  // Not `Promise.resolve`: it answers a promise with a changed `then` as it is.
  return new Promise<A>((resolve) => {
    resolve(answer);
  });
};
