import {
  assertAllClosed,
  forSeeds,
  type Instrumented,
  type VirtualClock,
  virtualClock,
} from "@millrace/streams-testkit";

type Block = (options: Instrumented, clock: VirtualClock) => Promise<void>;

const block =
  (body: Block) =>
  (options: Instrumented): Promise<void> => {
    const clock = virtualClock();
    return assertAllClosed(() => body({ ...options, clock }, clock));
  };

/** A test run as it is and re-chunked by several seeds, on virtual time; every stream must be closed after each. */
export const eachSeed = (body: Block) => (): Promise<void> => forSeeds(block(body));

/** A test run as it is, for those that count demand or look at single chunks. */
export const asItIs = (body: Block) => (): Promise<void> => forSeeds(block(body), [undefined]);

/** A promise and its ends, to hold a user function open. */
export interface Latch<A> {
  readonly promise: Promise<A>;
  readonly resolve: (value: A) => void;
  readonly reject: (error: unknown) => void;
}

export const latch = <A>(): Latch<A> => {
  let resolve = (_value: A): void => undefined;
  let reject = (_error: unknown): void => undefined;
  const promise = new Promise<A>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  return { promise, resolve, reject };
};

/** A user function whose calls the test settles by hand, by element. */
export class Calls<A> {
  readonly #latches = new Map<A, Latch<A>>();
  /** Elements in the order of the calls. */
  readonly started: A[] = [];

  readonly call = (element: A): Promise<A> => {
    this.started.push(element);
    return this.#latch(element).promise;
  };

  #latch(element: A): Latch<A> {
    const made = this.#latches.get(element) ?? latch<A>();
    this.#latches.set(element, made);
    return made;
  }

  resolve(element: A): void {
    this.#latch(element).resolve(element);
  }

  reject(element: A, error: unknown): void {
    this.#latch(element).reject(error);
  }
}
