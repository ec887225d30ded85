import { budgetSpent } from "./budget.js";
import { nextTurn } from "./host.js";
import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, WAIT, type Wake } from "./pull.js";
import type { Run } from "./run.js";
import type { Stage } from "./stage.js";

/** Where a stage is inside its input chunk; it must equal the index of the element being handled when user code throws. */
export interface Cursor {
  index: number;
}

/** A stage's own loop over one chunk, for the hottest operators. */
export interface ChunkLogic<in In, in out Out> {
  /** Starts at `at.index`, appends to `out`; answers `DONE` to complete downstream and cancel upstream. */
  onChunk(input: Chunk<In>, out: Out[], at: Cursor): typeof DONE | void;
  /** Upstream completed: the last chance to emit. */
  onComplete?(out: Out[]): void;
}

/** Logic that sees one element at a time. */
export interface ElementLogic<in In, in out Out> {
  onElement(element: In, out: Out[]): typeof DONE | void;
  onComplete?(out: Out[]): void;
}

/**
 * Owns what every synchronous operator needs and none should repeat: prefix before failure (P5), supervision, skipping of
 * empty results with the yield budget (P9), and final answers (P3, P4).
 */
class ChunkPull<In, Out> implements Pull<Out> {
  readonly #upstream: Pull<In>;
  readonly #run: Run;
  readonly #create: () => ChunkLogic<In, Out>;
  readonly #at: Cursor = { index: 0 };
  #logic: ChunkLogic<In, Out>;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(upstream: Pull<In>, run: Run, create: () => ChunkLogic<In, Out>) {
    this.#upstream = upstream;
    this.#run = run;
    this.#create = create;
    this.#logic = create();
  }

  pull(wake: Wake): Pulled<Out> {
    if (this.#failure) throw this.#failure.error;
    if (this.#ended) return DONE;
    for (;;) {
      const input = this.#upstream.pull(wake);
      if (input === WAIT) return WAIT;
      const out: Out[] = [];
      if (input === DONE) this.#complete(out);
      else this.#process(input, out);
      if (out.length > 0) return out;
      if (this.#failure) throw (this.#failure as { readonly error: unknown }).error;
      if (this.#ended) return DONE;
      if (budgetSpent((input as Chunk<In>).length)) {
        nextTurn(() => {
          if (!this.#ended) wake();
        });
        return WAIT;
      }
    }
  }

  cancel(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#upstream.cancel(cause);
  }

  #complete(out: Out[]): void {
    this.#ended = true;
    try {
      this.#logic.onComplete?.(out);
    } catch (error) {
      this.#failure = { error };
    }
  }

  #process(input: Chunk<In>, out: Out[]): void {
    const at = this.#at;
    at.index = 0;
    for (;;) {
      try {
        if (this.#logic.onChunk(input, out, at) === DONE) this.cancel(NO_MORE_ELEMENTS);
        return;
      } catch (error) {
        const directive = this.#run.decide(error);
        if (directive === "stop") {
          this.#failure = { error };
          this.cancel(error);
          return;
        }
        if (directive === "restart") this.#logic = this.#create();
        at.index += 1;
      }
    }
  }
}

/** A stage from a loop over chunks. */
export const chunkStage = <In, Out>(name: string, create: () => ChunkLogic<In, Out>): Stage<In, Out> => ({
  name,
  create: (upstream, run) => new ChunkPull(upstream, run, create),
});

/** A stage from per-element logic; adheres to supervision. */
export const elementStage = <In, Out>(name: string, create: () => ElementLogic<In, Out>): Stage<In, Out> =>
  chunkStage(name, () => {
    const logic = create();
    return {
      onChunk(input, out, at) {
        for (; at.index < input.length; at.index++) {
          if (logic.onElement(input[at.index] as In, out) === DONE) return DONE;
        }
      },
      onComplete: (out) => logic.onComplete?.(out),
    };
  });
