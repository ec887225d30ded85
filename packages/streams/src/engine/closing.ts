import { promiseOf } from "./answer.js";

/** What something that was to be closed failed with. */
export interface Unclosed {
  readonly error: unknown;
}

/** What stages close when left early, such as generators: the end of a stream waits for it, and gets what it throws. */
export class Closing {
  #open = 0;
  #unclosed: Unclosed | undefined;
  #waiting: ((unclosed: Unclosed | undefined) => void)[] = [];
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Something is being closed. */
  get busy(): boolean {
    return this.#open > 0;
  }

  /** The first failure counts. */
  begin(close: () => unknown): void {
    try {
      const answer = promiseOf(close());
      if (!answer) return;
      this.#open += 1;
      this.#onChange();
      answer.then(this.#onClosed, (error: unknown) => {
        this.#unclosed ??= { error };
        this.#onClosed();
      });
    } catch (error) {
      this.#unclosed ??= { error };
    }
  }

  /** Calls `then` once nothing is being closed: at once, if nothing is. */
  whenIdle(then: (unclosed: Unclosed | undefined) => void): void {
    if (this.#open === 0) then(this.#unclosed);
    else this.#waiting.push(then);
  }

  readonly #onClosed = (): void => {
    this.#open -= 1;
    if (this.#open > 0) return;
    // The next wait for what one of them closes in turn.
    for (const then of this.#waiting.splice(0)) this.whenIdle(then);
    this.#onChange();
  };
}
