import { soon } from "../../engine/host.js";
import { type Chunk, DONE, isFailure, type Pull, type Pulled, WAIT, type Wake } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Fork } from "../../model/stage.js";
import { StreamError } from "../../errors.js";

interface Branch<A> {
  open: boolean;
  /** What is this branch's of the current chunk and waits for it. */
  share: A[] | undefined;
  wake: Wake | undefined;
}

interface Routing<in A> {
  readonly name: string;
  readonly choose: (element: A) => number;
  /** Whether the first branch that cancels ends all; otherwise the elements of a cancelled branch are dropped. */
  readonly eagerCancel: boolean;
}

/**
 * Splits each chunk into shares, one per branch; the next chunk is pulled once every share of this one has been taken. So
 * at most one chunk waits, and a branch that does not ask holds the others back from the next chunk on. Wakes are delivered
 * later, because a branch pulls from inside another one's junction.
 */
class Partition<A> {
  readonly #upstream: Pull<A>;
  readonly #run: Run;
  readonly #routing: Routing<A>;
  readonly #branches: readonly Branch<A>[];
  /** Shares not taken yet. */
  #shares = 0;
  #upstreamWaits = false;
  #end: { readonly failure?: { readonly error: unknown } } | undefined;

  constructor(upstream: Pull<A>, branches: number, run: Run, routing: Routing<A>) {
    this.#upstream = upstream;
    this.#run = run;
    this.#routing = routing;
    this.#branches = Array.from({ length: branches }, () => ({ open: true, share: undefined, wake: undefined }));
  }

  outlets(): readonly Pull<A>[] {
    return this.#branches.map((branch) => ({
      pull: (wake) => this.#pull(branch, wake),
      cancel: (cause) => this.#cancel(branch, cause),
    }));
  }

  #pull(branch: Branch<A>, wake: Wake): Pulled<A> {
    if (this.#shares === 0 && !this.#end && !this.#upstreamWaits) this.#next();
    const share = this.#takeShare(branch);
    if (share) return share;
    if (!branch.open) return DONE;
    if (this.#end?.failure) throw this.#end.failure.error;
    if (this.#end) return DONE;
    branch.wake = wake;
    return WAIT;
  }

  #takeShare(branch: Branch<A>): Chunk<A> | undefined {
    const { share } = branch;
    if (!share) return undefined;
    branch.share = undefined;
    this.#shares -= 1;
    // The others wait for the next chunk, which this branch may be in no hurry to ask for.
    if (this.#shares === 0) this.#wakeAll();
    return share;
  }

  /** Pulls until there is a share for some branch. */
  #next(): void {
    for (;;) {
      let pulled: Pulled<A>;
      try {
        pulled = this.#upstream.pull(this.#onUpstream);
      } catch (error) {
        this.#close({ failure: { error } });
        return;
      }
      if (pulled === WAIT) {
        this.#upstreamWaits = true;
        return;
      }
      if (pulled === DONE) {
        this.#close({});
        return;
      }
      this.#route(pulled);
      if (this.#end) return;
      if (this.#shares > 0) {
        this.#wake(this.#branches.filter((branch) => branch.share));
        return;
      }
      if (this.#run.share.spent(pulled.length)) {
        this.#upstreamWaits = true;
        this.#run.share.later(this.#onUpstream);
        return;
      }
    }
  }

  #route(chunk: Chunk<A>): void {
    for (let at = 0; at < chunk.length && !this.#end; at++) {
      const element = chunk[at] as A;
      let index: number;
      try {
        index = this.#routing.choose(element);
      } catch (error) {
        const decision = this.#run.decide(error, element);
        if (typeof decision === "object") this.#fail(decision.error);
        continue;
      }
      const branch = this.#branches[index];
      if (!branch) this.#fail(this.#noSuchBranch(index));
      else if (branch.share) branch.share.push(element);
      else if (branch.open) {
        branch.share = [element];
        this.#shares += 1;
      }
    }
  }

  #noSuchBranch(index: number): StreamError {
    const last = this.#branches.length - 1;
    return new StreamError(
      "NO_SUCH_BRANCH",
      `${this.#routing.name}: choose answered ${index}; answer the index of a flow, a whole number from 0 to ${last}`,
    );
  }

  readonly #onUpstream = (): void => {
    this.#upstreamWaits = false;
    this.#wakeAll();
  };

  #fail(error: unknown): void {
    if (this.#end) return;
    this.#close({ failure: { error } });
    this.#upstream.cancel(error);
  }

  #close(end: { readonly failure?: { readonly error: unknown } }): void {
    this.#end ??= end;
    this.#wakeAll();
  }

  #wakeAll(): void {
    this.#wake(this.#branches);
  }

  #wake(branches: readonly Branch<A>[]): void {
    for (const branch of branches) {
      const wake = branch.wake;
      if (!wake) continue;
      branch.wake = undefined;
      soon(() => {
        if (branch.open) wake();
      });
    }
  }

  #cancel(branch: Branch<A>, cause: unknown): void {
    if (!branch.open) return;
    branch.open = false;
    branch.wake = undefined;
    this.#takeShare(branch);
    if (this.#end) return;
    if (!this.#routing.eagerCancel && this.#branches.some((each) => each.open)) return;
    this.#close(isFailure(cause) ? { failure: { error: cause } } : {});
    this.#upstream.cancel(cause);
  }
}

/** A fork that gives each element to the branch `choose` answers the index of. */
export const routing = <A>(options: Routing<A>): Fork<A, A> => ({
  name: options.name,
  traits: { to: "one" },
  create: (upstream, branches, run) => new Partition(upstream, branches, run, options).outlets(),
});

/** Goes on while any branch is open. */
export const partition = <A>(choose: (element: A) => number): Fork<A, A> =>
  routing({ name: "partition", choose, eagerCancel: false });
