import { InvariantViolation, type RunOptions } from "@millrace/streams";
import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "@millrace/streams/stage";

/** Puts something around every outlet of a run. */
export type Wrap = NonNullable<RunOptions["wrap"]>;

/** What the checks of one or more runs found. */
export interface Checks {
  readonly wrap: Wrap;
  /** Everything found so far, also what a stage or `recover` has swallowed. */
  readonly violations: readonly InvariantViolation[];
  /** Throws the first violation, if there is any. */
  verify(): void;
}

type State = "idle" | "pulling" | "waiting" | "done" | "failed" | "cancelled";

/**
 * Holds both sides of an outlet to the pull protocol: its stage as producer, the stage behind it as consumer. It also
 * does what a consumer may do and most do not: asks again after the end, and cancels twice.
 */
class CheckedPull<A> implements Pull<A> {
  readonly #upstream: Pull<A>;
  readonly #violate: (rule: string) => InvariantViolation;
  #state: State = "idle";
  #failure: unknown;
  #handed: { readonly chunk: Chunk<A>; readonly copy: Chunk<A> } | undefined;
  #ask: object | undefined;

  constructor(upstream: Pull<A>, violate: (rule: string) => InvariantViolation) {
    this.#upstream = upstream;
    this.#violate = violate;
  }

  pull(wake: Wake): Pulled<A> {
    this.#checkHanded();
    switch (this.#state) {
      case "pulling":
        throw this.#violate("P1: was pulled from inside its own pull");
      case "waiting":
        throw this.#violate("P1: was pulled again before it woke its consumer");
      case "cancelled":
        throw this.#violate("P6: was pulled after it had been cancelled");
      case "done":
      case "failed":
        this.#expectFinal();
        if (this.#state === "failed") throw this.#failure;
        return DONE;
      case "idle":
        return this.#pull(wake);
    }
  }

  #pull(wake: Wake): Pulled<A> {
    const ask = {};
    this.#ask = ask;
    this.#state = "pulling";
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(() => this.#onWake(ask, wake));
    } catch (error) {
      this.#end("failed", error);
      throw error;
    }
    // Cancelled from inside the pull: the consumer no longer looks at the answer.
    if ((this.#state as State) === "cancelled") return pulled;
    if (pulled === WAIT) this.#state = "waiting";
    else if (pulled === DONE) this.#end("done");
    else {
      this.#state = "idle";
      if (!Array.isArray(pulled) || pulled.length === 0) throw this.#violate("P2: answered an empty chunk");
      this.#handed = { chunk: pulled, copy: pulled.slice() };
    }
    return pulled;
  }

  #onWake(ask: object, wake: Wake): void {
    if (this.#state === "cancelled") throw this.#violate("P6: woke its consumer after it had been cancelled");
    if (this.#ask !== ask) throw this.#violate("P1: woke its consumer twice for one pull, or for an older pull");
    if (this.#state === "pulling") throw this.#violate("P1: woke its consumer from inside the pull");
    if (this.#state !== "waiting") throw this.#violate("P1: woke its consumer, which was not waiting");
    this.#ask = undefined;
    this.#state = "idle";
    wake();
  }

  #end(state: "done" | "failed", failure?: unknown): void {
    if (this.#state === "cancelled") return;
    this.#state = state;
    this.#failure = failure;
    // After a violation the outlet is broken anyway; the first finding is the one to show.
    if (!(failure instanceof InvariantViolation)) this.#expectFinal();
  }

  #expectFinal(): void {
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(() => {
        throw this.#violate("P3: woke its consumer after the end");
      });
    } catch (error) {
      if (error instanceof InvariantViolation && error !== this.#failure) throw error;
      if (this.#state === "done") throw this.#violate("P3: failed after it had completed");
      if (error !== this.#failure) throw this.#violate("P4: failed again with another error");
      return;
    }
    if (this.#state === "failed" && pulled !== DONE) throw this.#violate("P4: answered something after it had failed");
    if (pulled !== DONE) throw this.#violate("P3: answered something after it had completed");
  }

  #checkHanded(): void {
    const handed = this.#handed;
    this.#handed = undefined;
    if (!handed) return;
    const { chunk, copy } = handed;
    if (chunk.length === copy.length && copy.every((element, index) => Object.is(element, chunk[index]))) return;
    throw this.#violate("P2: a chunk was changed after it had been handed over");
  }

  cancel(cause: unknown): void {
    this.#checkHanded();
    if (this.#state === "cancelled") throw this.#violate("P6: was cancelled twice");
    if (this.#state !== "done" && this.#state !== "failed") this.#state = "cancelled";
    this.#upstream.cancel(cause);
    this.#upstream.cancel(cause);
  }
}

/**
 * Checks P1 to P4 and P6 of the pull protocol on every outlet (P5 is up to the test of the operator). A violation is
 * thrown where it happens and kept in `violations`; `label` begins its message.
 */
export const checked = (label = ""): Checks => {
  const violations: InvariantViolation[] = [];
  return {
    violations,
    // A stage may answer its upstream as its outlet, which is checked already.
    wrap: (outlet, stage) =>
      outlet instanceof CheckedPull
        ? outlet
        : new CheckedPull(outlet, (rule) => {
            const violation = new InvariantViolation(`${label}the outlet of ${stage} broke the pull protocol: ${rule}`);
            violations.push(violation);
            return violation;
          }),
    verify() {
      if (violations[0]) throw violations[0];
    },
  };
};
