import { type Chunk, DONE, type Pull, type Pulled, WAIT, type Wake } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";

export interface StatefulMapping<in A, S, out B> {
  readonly create: () => S;
  readonly f: (state: S, element: A) => readonly [next: S, out: B];
  readonly onComplete: ((state: S) => B | undefined) | undefined;
}

/** A state has an end, whichever way the stream ends: every state made is given to `onComplete` exactly once. */
class StatefulMap<A, S, B> implements Pull<B> {
  readonly #upstream: Pull<A>;
  readonly #run: Run;
  readonly #mapping: StatefulMapping<A, S, B>;
  /** Present from `create` until `onComplete`. */
  #held: { state: S } | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(upstream: Pull<A>, run: Run, mapping: StatefulMapping<A, S, B>) {
    this.#upstream = upstream;
    this.#run = run;
    this.#mapping = mapping;
  }

  pull(wake: Wake): Pulled<B> {
    const out: B[] = [];
    while (!this.#ended) {
      const elements = this.#advance(out, wake);
      if (elements === WAIT) return WAIT;
      if (out.length > 0) return out;
      if (!this.#ended && this.#run.share.spent(elements)) {
        this.#run.share.later(() => {
          if (!this.#ended) wake();
        });
        return WAIT;
      }
    }
    if (this.#failure) throw this.#failure.error;
    return DONE;
  }

  /** Maps the next chunk, or ends; answers how many elements it saw. */
  #advance(out: B[], wake: Wake): number | typeof WAIT {
    let pulled: Pulled<A>;
    try {
      this.#held ??= { state: this.#mapping.create() };
    } catch (error) {
      this.#fail(error, out);
      return 0;
    }
    try {
      pulled = this.#upstream.pull(wake);
    } catch (error) {
      this.#ended = true;
      this.#failure = { error };
      this.#release(out);
      return 0;
    }
    if (pulled === WAIT) return WAIT;
    if (pulled === DONE) {
      this.#complete(out);
      return 0;
    }
    this.#map(pulled, out);
    return pulled.length;
  }

  #map(chunk: Chunk<A>, out: B[]): void {
    const { f } = this.#mapping;
    for (let index = 0; index < chunk.length; index++) {
      const held = this.#held;
      // Without a state the stream has ended, maybe from inside `f`.
      if (!held) return;
      try {
        const mapped = f(held.state, chunk[index] as A);
        held.state = mapped[0];
        out.push(mapped[1]);
      } catch (error) {
        this.#supervise(error, chunk[index], out);
      }
    }
  }

  #supervise(error: unknown, element: unknown, out: B[]): void {
    if (this.#ended) return;
    const decision = this.#run.decide(error, element);
    if (decision === "resume") return;
    if (decision !== "restart") {
      this.#fail(decision.error, out);
      return;
    }
    try {
      this.#close(out);
      this.#held = { state: this.#mapping.create() };
    } catch (failure) {
      this.#fail(failure, out);
    }
  }

  #complete(out: B[]): void {
    this.#ended = true;
    try {
      this.#close(out);
    } catch (error) {
      this.#failure = { error };
    }
  }

  #fail(error: unknown, out: B[]): void {
    this.#failure = { error };
    this.#end(error, out);
  }

  #end(cause: unknown, out: B[]): void {
    this.#ended = true;
    this.#upstream.cancel(cause);
    this.#release(out);
  }

  /** Gives the state back, once, and adds what that emits. */
  #close(out: B[]): void {
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    const last = this.#mapping.onComplete?.(held.state);
    if (last !== undefined) out.push(last);
  }

  #release(out: B[]): void {
    try {
      this.#close(out);
    } catch {
      // The stream ends for an earlier cause, and that is the one to report.
    }
  }

  cancel(cause: unknown): void {
    if (!this.#ended) this.#end(cause, []);
  }
}

export const statefulMap = <A, S, B>(mapping: StatefulMapping<A, S, B>): Stage<A, B> => ({
  name: "statefulMap",
  traits: { order: "kept", elements: mapping.onComplete ? "mayAdd" : "kept" },
  create: (upstream, run) => new StatefulMap(upstream, run, mapping),
});
