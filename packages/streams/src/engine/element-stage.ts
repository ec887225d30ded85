import { type Chunk, DONE, NO_MORE_ELEMENTS, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";
import type { Run } from "./run.js";
import type { Stage } from "../model/stage.js";

/** Where a stage is inside its input chunk; it must equal the index of the element being handled when user code throws. */
export interface Cursor {
  index: number;
}

/** A stage's own loop over one chunk. */
export interface ChunkLogic<in In, in out Out> {
  /** Starts at `at.index`, appends to `out`; answers `DONE` to complete downstream and cancel upstream. */
  onChunk(input: Chunk<In>, out: Out[], at: Cursor): typeof DONE | void;
  /** Upstream completed: the last chance to emit. */
  onComplete?(out: Out[]): void;
}

/** Where a stage is inside a chunk it changes in place. */
export interface InPlaceCursor extends Cursor {
  /** How many elements stand at the head of the chunk as output; never more than were read. */
  written: number;
}

/** The cheapest loop, for operators with at most one output per input. */
export interface InPlaceLogic<in out In, in out Out> {
  /** Reads from `at.index` on, puts output at `at.written`; answers `DONE` to complete downstream and cancel upstream. */
  onChunk(chunk: (In | Out)[], at: InPlaceCursor): typeof DONE | void;
  /** The last element came to nothing, and the author's function may keep it for a later output. */
  mayKeep?(): boolean;
}

/** Logic that sees one element at a time. */
export interface ElementLogic<in In, in out Out> {
  onElement(element: In, out: Out[]): typeof DONE | void;
  /** Upstream completed: the last chance to emit. */
  onComplete?(out: Out[]): void;
}

/**
 * Owns what every synchronous operator needs and none should repeat: prefix before failure (P5), supervision, skipping of
 * empty results with the yield budget (P9), and final answers (P3, P4).
 */
abstract class SyncPull<In, Out, Logic> implements Pull<Out> {
  readonly #upstream: Pull<In>;
  readonly #run: Run;
  readonly #create: () => Logic;
  protected logic: Logic;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(upstream: Pull<In>, run: Run, create: () => Logic) {
    this.#upstream = upstream;
    this.#run = run;
    this.#create = create;
    this.logic = create();
  }

  protected abstract process(input: Chunk<In>): Out[];

  protected onComplete(_out: Out[]): void {}

  /** Whether to go on behind the element that failed. */
  protected supervise(error: unknown, element: unknown): boolean {
    const decision = this.#run.decide(error, element);
    if (typeof decision === "object") {
      this.#failure = decision;
      this.cancel(decision.error);
      return false;
    }
    if (decision === "restart") this.logic = this.#create();
    return true;
  }

  pull(wake: Wake): Pulled<Out> {
    if (this.#failure) throw this.#failure.error;
    if (this.#ended) return DONE;
    for (;;) {
      const input = this.#upstream.pull(wake);
      if (input === WAIT) return WAIT;
      // In place, the output may be the input: its length counts as work before it shrinks.
      const elements = input === DONE ? 0 : input.length;
      const out = input === DONE ? this.#complete() : this.process(input);
      if (out.length > 0) return out;
      if (this.#failure) throw (this.#failure as { readonly error: unknown }).error;
      if (this.#ended) return DONE;
      if (this.#run.share.spent(elements)) {
        this.#run.share.later(() => {
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

  #complete(): Out[] {
    this.#ended = true;
    const out: Out[] = [];
    try {
      this.onComplete(out);
    } catch (error) {
      this.#failure = { error };
    }
    return out;
  }
}

class ChunkPull<In, Out> extends SyncPull<In, Out, ChunkLogic<In, Out>> {
  readonly #at: Cursor = { index: 0 };

  protected process(input: Chunk<In>): Out[] {
    const out: Out[] = [];
    const at = this.#at;
    at.index = 0;
    for (;;) {
      try {
        if (this.logic.onChunk(input, out, at) === DONE) this.cancel(NO_MORE_ELEMENTS);
        return out;
      } catch (error) {
        if (!this.supervise(error, input[at.index])) return out;
        at.index += 1;
      }
    }
  }

  protected override onComplete(out: Out[]): void {
    this.logic.onComplete?.(out);
  }
}

/** Changes its own copy of a chunk, or a chunk that another synchronous stage just made for it alone. */
class InPlacePull<In, Out> extends SyncPull<In, Out, InPlaceLogic<In, Out>> {
  readonly #from: Pull<In>;
  readonly #owned: boolean;
  readonly #at: InPlaceCursor = { index: 0, written: 0 };

  constructor(upstream: Pull<In>, run: Run, create: () => InPlaceLogic<In, Out>) {
    super(upstream, run, create);
    this.#from = upstream;
    this.#owned = upstream instanceof SyncPull;
  }

  passed(): Pull<unknown> | undefined {
    return this.logic.mayKeep?.() ? undefined : this.#from;
  }

  protected process(input: Chunk<In>): Out[] {
    const chunk = (this.#owned ? input : input.slice()) as (In | Out)[];
    const at = this.#at;
    at.index = 0;
    at.written = 0;
    for (;;) {
      try {
        if (this.logic.onChunk(chunk, at) === DONE) this.cancel(NO_MORE_ELEMENTS);
        break;
      } catch (error) {
        if (!this.supervise(error, chunk[at.index])) break;
        at.index += 1;
      }
    }
    if (at.written < chunk.length) chunk.length = at.written;
    return chunk as Out[];
  }
}

/** A stage from a loop over chunks; adheres to supervision. */
export const chunkStage = <In, Out>(name: string, create: () => ChunkLogic<In, Out>): Stage<In, Out> => ({
  name,
  create: (upstream, run) => new ChunkPull(upstream, run, create),
});

/** A stage from a loop that changes chunks in place; adheres to supervision. */
export const inPlaceStage = <In, Out>(name: string, create: () => InPlaceLogic<In, Out>): Stage<In, Out> => ({
  name,
  create: (upstream, run) => new InPlacePull(upstream, run, create),
});

/** A stage from per-element logic; adheres to supervision. */
export const elementStage = <In, Out>(name: string, create: () => ElementLogic<In, Out>): Stage<In, Out> =>
  chunkStage(name, () => {
    const logic = create();
    return {
      onChunk(input, out, at) {
        let index = at.index;
        try {
          for (; index < input.length; index++) {
            if (logic.onElement(input[index] as In, out) === DONE) return DONE;
          }
        } finally {
          at.index = index;
        }
      },
      onComplete: (out) => logic.onComplete?.(out),
    };
  });
