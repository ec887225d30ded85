import { type Attributes, type Flow, Keep, type RunOptions, Sink, Source, Supervision } from "@millrace/streams";
import { NO_MORE_ELEMENTS } from "@millrace/streams/stage";
import {
  assertAllClosed,
  forSeeds,
  type Instrumented,
  settle,
  sinkProbe,
  sourceProbe,
  virtualClock,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { unhandledRejections } from "../../../../test/support/unhandled.js";

/** How an operator is put to the tests every operator has to pass. */
export interface OperatorCase<A, B> {
  readonly name: string;
  /** Made anew for every test. */
  readonly flow: () => Flow<A, B, unknown>;
  /** At least two elements, all different. */
  readonly input: readonly A[];
  readonly output: readonly B[];
  /** Of no input; default: nothing. `fails`: the operator's own test says how. */
  readonly outputOfEmpty?: readonly B[] | "fails";
  /** Of the first element alone. */
  readonly outputOfOne: readonly B[];
  /** Default `sync`: what precedes a failure is delivered. `async`: some of it may be lost. */
  readonly kind?: "sync" | "async";
  /** Whether output may come in any order; default false. */
  readonly unordered?: boolean;
  /** Upstream's failure: after how many elements of `input` (default all), and what is out by then (default `output`). */
  readonly upstreamFails?: { readonly after?: number; readonly delivered: readonly B[] } | "handled";
  readonly throwing?: ThrowingCase<A, B>;
  /** The operator sets timers: time then passes by itself. */
  readonly timed?: boolean;
}

/** The operator with a user function that calls `check` first, which throws for `input[at]`. */
export interface ThrowingCase<A, B> {
  readonly flow: (check: (element: A) => void) => Flow<A, B, unknown>;
  readonly at: number;
  /** What is out when it throws. */
  readonly delivered: readonly B[];
  /** What comes out when the decider says resume; absent: the operator does not adhere to supervision. */
  readonly resumed?: readonly B[];
  /** Default: as resumed. */
  readonly restarted?: readonly B[];
}

const boom = (): Error => new Error("boom");

/** Lets virtual time pass until `promise` settles; for at most 200 seconds of it. */
const passingTime = async <A>(options: RunOptions, promise: Promise<A>): Promise<A> => {
  const clock = options.clock;
  if (!clock || !("advance" in clock)) return promise;
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  promise.then(mark, mark);
  const time = clock as ReturnType<typeof virtualClock>;
  for (let second = 0; second < 200 && !settled; second++) await time.advance(1000);
  return promise;
};

const sorted = (elements: readonly unknown[]): readonly unknown[] =>
  [...elements].map((element) => JSON.stringify(element)).sort();

/** A source of `elements` that then fails with `error`. */
export const failingAfter = <A>(elements: readonly A[], error: unknown): Source<A> =>
  Source.from<A>(
    (function* () {
      yield* elements;
      throw error;
    })(),
  );

/** What a source delivers, and how it ends. */
export interface Outcome<B> {
  readonly delivered: readonly B[];
  readonly failure?: unknown;
}

/** Runs a source to its end, whichever it is. */
export const outcomeOf = async <B>(source: Source<B, unknown>, options: RunOptions): Promise<Outcome<B>> => {
  const delivered: B[] = [];
  const end = source.runWith(
    Sink.forEach<B>((element) => void delivered.push(element)),
    options,
  );
  try {
    await passingTime(options, end);
    return { delivered };
  } catch (failure) {
    return { delivered, failure };
  }
};

class Skeleton<A, B> {
  readonly #case: OperatorCase<A, B>;

  constructor(operator: OperatorCase<A, B>) {
    this.#case = operator;
  }

  /** Runs `block` for every seed; all streams must be closed after each. */
  async #each(block: (options: Instrumented) => Promise<void>): Promise<void> {
    await forSeeds((options) => {
      const timed: Instrumented = this.#case.timed ? { ...options, clock: virtualClock() } : options;
      return assertAllClosed(() => block(timed));
    });
  }

  #expectSame(actual: readonly unknown[], expected: readonly unknown[]): void {
    if (this.#case.unordered) expect(sorted(actual)).to.deep.equal(sorted(expected));
    else expect(actual).to.deep.equal(expected);
  }

  #expectDelivered(actual: readonly unknown[], expected: readonly unknown[]): void {
    if (this.#case.kind !== "async") this.#expectSame(actual, expected);
    else if (this.#case.unordered) expect(sorted(expected)).to.include.members([...sorted(actual)]);
    else expect(actual).to.deep.equal(expected.slice(0, actual.length));
  }

  async transforms(input: readonly A[], output: readonly B[]): Promise<void> {
    const flow = this.#case.flow();
    await this.#each(async (options) => {
      const { delivered, failure } = await outcomeOf(Source.from(input).via(flow), options);
      expect(failure).to.equal(undefined);
      this.#expectSame(delivered, output);
    });
  }

  async passesUpstreamFailure(after: number, expected: readonly B[]): Promise<void> {
    await this.#each(async (options) => {
      const error = boom();
      const source = failingAfter(this.#case.input.slice(0, after), error).via(this.#case.flow());
      const { delivered, failure } = await outcomeOf(source, options);
      expect(failure).to.equal(error);
      this.#expectDelivered(delivered, expected);
    });
  }

  /** The user function throws for one element: stops by default, with the very error, and cancels upstream with it. */
  async failsWithUserError({ flow, at, delivered }: ThrowingCase<A, B>): Promise<void> {
    await this.#each(async (options) => {
      const error = boom();
      const received: B[] = [];
      const [probe, end] = sourceProbe<A>()
        .via(flow(this.#thrower(at, error)))
        .toMat(
          Sink.forEach<B>((element) => void received.push(element)),
          Keep.both,
        )
        .run(options);
      probe.sendChunk(this.#case.input);
      expect(
        await passingTime(
          options,
          end.then(
            () => "completed",
            (failure: unknown) => failure,
          ),
        ),
      ).to.equal(error);
      this.#expectDelivered(received, delivered);
      expect(probe.cancellations).to.deep.equal([error]);
    });
  }

  async supervises(attributes: Attributes, { flow, at }: ThrowingCase<A, B>, output: readonly B[]): Promise<void> {
    await this.#each(async (options) => {
      const source = Source.from(this.#case.input)
        .via(flow(this.#thrower(at, boom())))
        .withAttributes(attributes);
      const { delivered, failure } = await outcomeOf(source, options);
      expect(failure).to.equal(undefined);
      this.#expectSame(delivered, output);
    });
  }

  #thrower(at: number, error: Error): (element: A) => void {
    const failing = this.#case.input[at];
    return (element) => {
      if (element === failing) throw error;
    };
  }

  async isCancelled(sent: readonly A[], cause: unknown): Promise<void> {
    const unheard = await unhandledRejections(() => this.#isCancelled(sent, cause));
    // A side branch that nobody watches fails as well, and tells of that.
    expect(unheard.filter((error) => error !== cause)).to.deep.equal([]);
  }

  async #isCancelled(sent: readonly A[], cause: unknown): Promise<void> {
    await this.#each(async (options) => {
      const [source, sink] = sourceProbe<A>().via(this.#case.flow()).toMat(sinkProbe<B>(), Keep.both).run(options);
      for (const element of sent) source.send(element);
      sink.request();
      await settle();
      if (sink.state === "completed") {
        // It had all it wanted, such as `take(1)`.
        expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
        return;
      }
      sink.cancel(cause);
      await settle();
      expect(source.cancellations).to.deep.equal([cause]);
      expect(sink.state).to.equal("cancelled");
    });
  }

  async cancelledBeforeStart(): Promise<void> {
    await this.#each(async (options) => {
      const [source, sink] = sourceProbe<A>().via(this.#case.flow()).toMat(sinkProbe<B>(), Keep.both).run(options);
      sink.cancel();
      await settle();
      expect(source.cancellations).to.deep.equal([NO_MORE_ELEMENTS]);
    });
  }
}

/** Declares the tests every operator has to pass; call it inside the operator's `describe`. */
export const operatorSkeleton = <A, B>(operator: OperatorCase<A, B>): void => {
  const { input, output, upstreamFails, throwing } = operator;
  const skeleton = new Skeleton(operator);

  describe(`${operator.name} as every operator`, () => {
    if (upstreamFails !== "handled") {
      const after = upstreamFails?.after ?? input.length;
      it("passes upstream's failure on unchanged, after what preceded it", () =>
        skeleton.passesUpstreamFailure(after, upstreamFails?.delivered ?? output));
    }
    if (throwing) {
      it("fails with the user function's own error and cancels upstream with it", () =>
        skeleton.failsWithUserError(throwing));
      const { resumed } = throwing;
      if (resumed) {
        it("drops the failing element and goes on when the decider says resume", () =>
          skeleton.supervises({ supervision: Supervision.resumingDecider }, throwing, resumed));
        it("goes on afresh when the decider says restart", () =>
          skeleton.supervises({ supervision: Supervision.restartingDecider }, throwing, throwing.restarted ?? resumed));
      } else {
        it("fails with the user function's own error although the decider says resume", () =>
          skeleton.failsWithUserError({
            ...throwing,
            flow: (check) => throwing.flow(check).withAttributes({ supervision: Supervision.resumingDecider }),
          }));
      }
    }
    it("cancels upstream once when downstream leaves early", () =>
      skeleton.isCancelled(input.slice(0, 1), NO_MORE_ELEMENTS));
    it("cancels upstream with downstream's failure", () => skeleton.isCancelled(input.slice(0, 1), boom()));
    it("cancels an upstream that never emits nor completes", () => skeleton.isCancelled([], NO_MORE_ELEMENTS));
    it("cancels upstream when downstream leaves before it asked for anything", () => skeleton.cancelledBeforeStart());
    const { outputOfEmpty = [] } = operator;
    if (outputOfEmpty !== "fails") {
      it("completes when upstream is empty", () => skeleton.transforms([], outputOfEmpty));
    }
    it("handles a single element", () => skeleton.transforms(input.slice(0, 1), operator.outputOfOne));
    it("handles many elements, and as often as it is run", () => skeleton.transforms(input, output));
  });
};
