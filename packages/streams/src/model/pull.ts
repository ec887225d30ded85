/** A non-empty run of elements that travels between stages; never waited for to fill. */
export type Chunk<A> = readonly A[];

/** Answer of a pull: nothing now; `wake` will be called exactly once, after which the consumer pulls again. */
export const WAIT: unique symbol = Symbol.for("millrace.WAIT");

/** Answer of a pull: completed. */
export const DONE: unique symbol = Symbol.for("millrace.DONE");

/** Cause of a cancellation that is no failure: downstream has all it wants. */
export const NO_MORE_ELEMENTS: unique symbol = Symbol.for("millrace.NO_MORE_ELEMENTS");

export type Pulled<A> = Chunk<A> | typeof WAIT | typeof DONE;

export type Wake = () => void;

/**
 * What a stage offers downstream. The protocol, asserted by `checkedPull` in the tests of every operator:
 *
 * - **P1** One pull at a time: after `WAIT` the consumer pulls again only once it was woken.
 * - **P2** Chunks are non-empty and are not changed by the producer once handed over.
 * - **P3** `DONE` is final.
 * - **P4** A throw means failed, and is final: a pull after it answers `DONE` or throws the same again.
 * - **P5** In a synchronous stage the elements before a failing one are delivered first. An asynchronous stage fails as soon
 *   as it learns of a failure, its own or upstream's: results that could have left by then still leave, however late
 *   downstream asks, and nothing that settles afterwards does. So what leaves a stage that keeps the order is a prefix of
 *   its input.
 * - **P6** `cancel` is idempotent, reaches upstream once, and ends the consumer's interest: no wake follows it.
 * - **P7** Answer now when you can.
 * - **P8** Every buffer has a bound counted in elements.
 * - **P9** A loop without demand, or over empty results, yields to the event loop on the budget.
 *
 * `wake` is called exactly once after `WAIT`, never from inside the pull that answered `WAIT`, and the consumer may pull
 * from inside it.
 */
export interface Pull<out A> {
  pull(wake: Wake): Pulled<A>;
  /** `cause` is `NO_MORE_ELEMENTS`, or the error with which downstream failed. */
  cancel(cause: unknown): void;
  /**
   * What it pulls from, where everything that came from there has gone on or was dropped for good; `undefined` where
   * some of it is held. Absent: unknown. Asked while no stage is at work, so never from inside a pull.
   */
  passed?(): Pull<unknown> | undefined;
}

export const isFailure = (cause: unknown): boolean => cause !== NO_MORE_ELEMENTS;
