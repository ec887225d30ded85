import { type Chunk, DONE, type Pull, type Pulled, type Run, soon, WAIT, type Wake } from "@millrace/streams/stage";
import type { ConsumerSession, Delivery } from "../consumer/consumer-session.js";
import type { RecordReader } from "../consumer/record-reader.js";

export interface RecordOutletOptions<out A> {
  readonly session: ConsumerSession;
  readonly reader: RecordReader<A>;
  readonly run: Run;
  /** What may be delivered here now. */
  readonly take: () => readonly Delivery[];
  /** A record could not be decoded, which fails the stream. */
  readonly onFailure: () => void;
  /** Nothing more is wanted, and what is in flight will not end. */
  readonly onCancel: (cause: unknown) => void;
}

/** Where records leave a session: all of them, or those of one partition. */
export class RecordOutlet<A> implements Pull<A> {
  readonly #options: RecordOutletOptions<A>;
  #wake: Wake | undefined;
  #wakeScheduled = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: RecordOutletOptions<A>) {
    this.#options = options;
  }

  /** There may be something to take. Wakes later, because a claim may end while downstream is at work. */
  notify(): void {
    if (!this.#wake || this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    soon(() => {
      this.#wakeScheduled = false;
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    });
  }

  complete(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.notify();
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#failure) throw this.#failure.error;
    const { session, take } = this.#options;
    while (!this.#ended) {
      const deliveries = take();
      if (deliveries.length === 0) {
        if (session.failure) {
          this.#fail(session.failure.error);
          throw session.failure.error;
        }
        this.#wake = wake;
        return WAIT;
      }
      const elements = this.#read(deliveries);
      if (elements.length > 0) return elements;
      if (this.#failure) throw (this.#failure as { readonly error: unknown }).error;
    }
    return DONE;
  }

  cancel(cause: unknown): void {
    this.#ended = true;
    this.#wake = undefined;
    this.#options.onCancel(cause);
  }

  #read(deliveries: readonly Delivery[]): Chunk<A> {
    const { reader, run, session } = this.#options;
    const elements: A[] = [];
    const now = run.clock.now();
    for (const delivery of deliveries) {
      const { from, to, fetched } = delivery.run;
      for (let index = from; index < to; index++) {
        try {
          if (!reader.isFinished(delivery, index, now)) elements.push(reader.read(delivery, index, now, session));
        } catch (error) {
          if (run.decide(error) === "stop") {
            this.#fail(error);
            return elements;
          }
          reader.skip(delivery, index, now);
        }
      }
      if (!reader.keepsBytes) fetched.runDone();
    }
    return elements;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#options.onFailure();
  }
}
