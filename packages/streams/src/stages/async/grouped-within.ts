import { AsyncPull } from "../../engine/async-pull.js";
import type { Cancellable } from "../../engine/clock.js";
import type { Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../model/stage.js";

/** The window opens with a group's first element, so no element waits longer than `intervalMs`. */
class GroupedWithin<A> extends AsyncPull<A, readonly A[]> {
  readonly #run: Run;
  readonly #size: number;
  readonly #intervalMs: number;
  #group: A[] = [];
  #timer: Cancellable | undefined;

  constructor(upstream: Pull<A>, run: Run, size: number, intervalMs: number) {
    super(upstream, run);
    this.#run = run;
    this.#size = size;
    this.#intervalMs = intervalMs;
  }

  protected advance(): void {
    while (this.ready.length === 0) {
      const chunk = this.take();
      if (!chunk) break;
      for (const element of chunk) this.#add(element);
    }
    if (this.upstreamDone && !this.stopped) this.#emit();
  }

  #add(element: A): void {
    this.#group.push(element);
    if (this.#group.length === this.#size) this.#emit();
    else
      this.#timer ??= this.#run.clock.schedule(this.#intervalMs, () => {
        this.#emit();
        this.poke();
      });
  }

  #emit(): void {
    this.#stopTimer();
    if (this.#group.length === 0) return;
    this.ready.push(this.#group);
    this.#group = [];
  }

  protected drained(): boolean {
    return true;
  }

  protected override onClose(): void {
    this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

export const groupedWithin = <A>(size: number, intervalMs: number): Stage<A, readonly A[]> => ({
  name: "groupedWithin",
  traits: { order: "kept", elements: "gathered" },
  create: (upstream, run) => new GroupedWithin(upstream, run, size, intervalMs),
});
