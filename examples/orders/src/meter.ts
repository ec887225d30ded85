import type { CommittableOffset } from "@millrace/kafka";

/** What the pipeline's process tells its parent, several times a second. */
export interface Report {
  /** Orders whose enrichment has begun and whose lines are not all acknowledged. */
  readonly inFlight: number;
  /** Orders that are finished, and whose offset the broker has not acknowledged. */
  readonly uncommitted: number;
  /** By partition of `orders`: the offset after the last one finished; partitions without one are left out. */
  readonly positions: readonly (readonly [partition: number, position: number])[];
}

/** Counts what enters and leaves the pipeline, from outside. */
export class Meter {
  #begun = 0;
  #finished = 0;
  readonly #positions = new Map<number, number>();

  /** Counts every offset that has left the producer, and passes it on. */
  readonly finished = (offset: CommittableOffset): CommittableOffset => {
    this.#finished += 1;
    this.#positions.set(offset.partition, offset.offset + 1);
    return offset;
  };

  /** `work`, counted when it begins. */
  entering<A, B>(work: (input: A) => Promise<B>): (input: A) => Promise<B> {
    return (input) => {
      this.#begun += 1;
      return work(input);
    };
  }

  report(uncommitted: number): Report {
    return { inFlight: this.#begun - this.#finished, uncommitted, positions: [...this.#positions] };
  }
}
