import { AsyncPull } from "./async-pull.js";
import { DONE, type Pull, type Pulled, WAIT, type Wake } from "../model/pull.js";
import type { Run } from "./run.js";

/**
 * What the windows of asynchronous calls share: supervision, and what holds them back. Results count as waiting until
 * downstream asks again, but for the one of a chunk that it is at; so a window keeps its bound on whichever side the
 * results are, and starts the next call while downstream works.
 */
export abstract class CallWindow<In, Out> extends AsyncPull<In, Out> {
  protected readonly run: Run;
  /** Results of the chunk that downstream has taken, but for one. */
  #handed = 0;

  constructor(upstream: Pull<In>, run: Run) {
    super(upstream, run);
    this.run = run;
  }

  /** Results not yet dealt with. */
  protected get waitingResults(): number {
    return this.ready.length + this.#handed;
  }

  /** Whether to go on without the failed element; otherwise the stage has failed, now or before. */
  protected supervise(error: unknown, element?: In): boolean {
    if (this.stopped) return false;
    const decision = this.run.decide(error, element);
    if (typeof decision === "string") return true;
    this.fail(decision.error);
    return false;
  }

  override pull(wake: Wake): Pulled<Out> {
    this.#handed = 0;
    const pulled = super.pull(wake);
    if (pulled === WAIT || pulled === DONE) return pulled;
    this.#handed = pulled.length - 1;
    this.tryAdvance();
    return pulled;
  }
}
