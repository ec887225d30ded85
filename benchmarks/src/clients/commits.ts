import type { ClientJob } from "./job.js";

export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to read. */
  readonly offset: number;
}

/**
 * How an expert commits by hand what is finished: one commit at a time, and what is finished meanwhile goes into the next.
 * No record is handed in before it and all before it in its partition are done.
 */
export class Commits {
  readonly #job: ClientJob;
  readonly #send: (positions: readonly Position[]) => Promise<unknown>;
  #positions = new Map<number, number>();
  #records = 0;
  #committed = 0;
  #busy = false;

  constructor(job: ClientJob, send: (positions: readonly Position[]) => Promise<unknown>) {
    this.#job = job;
    this.#send = send;
  }

  /** `records` more are done; those of this partition up to `next`, without it. */
  done(partition: number, next: number, records: number): void {
    this.#positions.set(partition, next);
    this.#records += records;
  }

  /** Sends what is done, unless a commit is under way, which will. */
  flush(): void {
    if (this.#busy || this.#records === 0) return;
    const records = this.#records;
    const positions = [...this.#positions].map(([partition, offset]) => ({ topic: this.#job.from, partition, offset }));
    this.#positions = new Map();
    this.#records = 0;
    this.#busy = true;
    this.#send(positions).then(
      () => {
        this.#busy = false;
        this.#committed += records;
        this.#job.onDone(this.#committed);
        this.flush();
      },
      (error: unknown) => this.#job.onFailure(error),
    );
  }
}
