/** What happened in one run, line by line. Steps are numbered: at each of them a process can die. */
export class History {
  readonly #lines: string[] = [];
  readonly #now: () => number;
  #steps = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get steps(): number {
    return this.#steps;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Answers the number of the step. */
  step(text: string): number {
    this.#steps += 1;
    this.#write(String(this.#steps), text);
    return this.#steps;
  }

  note(text: string): void {
    this.#write("", text);
  }

  #write(number: string, text: string): void {
    this.#lines.push(`${number.padStart(4)}  ${String(Math.round(this.#now())).padStart(6)} ms  ${text}`);
  }
}
