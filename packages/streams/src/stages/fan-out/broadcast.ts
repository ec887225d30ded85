import { soon } from "../../engine/host.js";
import { type Chunk, DONE, isFailure, type Pull, type Pulled, WAIT, type Wake } from "../../model/pull.js";
import type { Fork } from "../../model/stage.js";

/** What one outlet has still to do with the current chunk. */
interface OutletState {
  open: boolean;
  taken: boolean;
  wake: Wake | undefined;
}

/**
 * Every outlet gets every element; the next chunk is pulled once all open outlets have taken this one, so the slowest
 * outlet sets the pace. Wakes are delivered later, because an outlet pulls from inside another one's junction.
 */
class Broadcast<A> {
  readonly #upstream: Pull<A>;
  readonly #eagerCancel: boolean;
  readonly #outlets: OutletState[];
  #chunk: Chunk<A> | undefined;
  #upstreamWaits = false;
  #end: { readonly failure?: { readonly error: unknown } } | undefined;

  constructor(upstream: Pull<A>, outlets: number, eagerCancel: boolean) {
    this.#upstream = upstream;
    this.#eagerCancel = eagerCancel;
    this.#outlets = Array.from({ length: outlets }, () => ({ open: true, taken: true, wake: undefined }));
  }

  outlet(index: number): Pull<A> {
    const state = this.#outlets[index] as OutletState;
    return {
      pull: (wake) => this.#pull(state, wake),
      cancel: (cause) => this.#cancel(state, cause),
    };
  }

  #pull(state: OutletState, wake: Wake): Pulled<A> {
    if (!state.taken) return this.#hand(state);
    if (this.#chunk === undefined && !this.#end && !this.#upstreamWaits) {
      this.#next();
      if (!state.taken) return this.#hand(state);
    }
    if (this.#end?.failure) throw this.#end.failure.error;
    if (this.#end || !state.open) return DONE;
    state.wake = wake;
    return WAIT;
  }

  #hand(state: OutletState): Chunk<A> {
    const chunk = this.#chunk as Chunk<A>;
    state.taken = true;
    this.#settle();
    return chunk;
  }

  /** All have taken the chunk: those that wait for the next may ask again. */
  #settle(): void {
    if (this.#chunk === undefined || this.#outlets.some((outlet) => outlet.open && !outlet.taken)) return;
    this.#chunk = undefined;
    this.#wakeAll();
  }

  #next(): void {
    let pulled: Pulled<A>;
    try {
      pulled = this.#upstream.pull(this.#onUpstream);
    } catch (error) {
      this.#close({ failure: { error } });
      return;
    }
    if (pulled === WAIT) this.#upstreamWaits = true;
    else if (pulled === DONE) this.#close({});
    else {
      this.#chunk = pulled;
      for (const outlet of this.#outlets) outlet.taken = !outlet.open;
      this.#wakeAll();
    }
  }

  readonly #onUpstream = (): void => {
    this.#upstreamWaits = false;
    this.#wakeAll();
  };

  #close(end: { readonly failure?: { readonly error: unknown } }): void {
    this.#end = end;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const outlet of this.#outlets) {
      const wake = outlet.wake;
      if (!wake) continue;
      outlet.wake = undefined;
      soon(() => {
        if (outlet.open) wake();
      });
    }
  }

  #cancel(state: OutletState, cause: unknown): void {
    if (!state.open) return;
    state.open = false;
    state.wake = undefined;
    if (this.#end) return;
    if (this.#eagerCancel || this.#outlets.every((outlet) => !outlet.open)) {
      this.#close(isFailure(cause) ? { failure: { error: cause } } : {});
      this.#upstream.cancel(cause);
      return;
    }
    this.#settle();
  }
}

const fork = (name: string, eagerCancel: boolean): Fork<unknown, unknown> => ({
  name,
  traits: { to: "all" },
  create(upstream, outlets) {
    const broadcast = new Broadcast(upstream, outlets, eagerCancel);
    return Array.from({ length: outlets }, (_, index) => broadcast.outlet(index));
  },
});

/** Goes on while any outlet is open. */
export const broadcast: Fork<unknown, unknown> = fork("broadcast", false);

/** Ends with its first outlet that ends. */
export const alsoTo: Fork<unknown, unknown> = fork("alsoTo", true);
