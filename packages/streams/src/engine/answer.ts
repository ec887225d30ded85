/** A promise of this realm with this `then`, which is nobody's but the language's, settles once and later. */
const then: unknown = Reflect.get(Promise.prototype, "then");

/**
 * What user code answered, as a promise, where it comes later. Any other thenable, a function with `then` included, is
 * adapted, for it may settle twice, at once, or with another thenable. Throws what reading its `then` throws.
 */
export const promiseOf = <A>(answer: A | PromiseLike<A>): Promise<A> | undefined => {
  if ((typeof answer !== "object" || answer === null) && typeof answer !== "function") return undefined;
  const asked = (answer as { readonly then?: unknown }).then;
  if (asked === then && answer.constructor === Promise) return answer;
  if (typeof asked !== "function") return undefined;
  // Not `Promise.resolve`, which answers a promise whose `then` was changed as it is.
  return new Promise<A>((resolve) => {
    resolve(answer);
  });
};
