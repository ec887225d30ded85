import type { Logger } from "@millrace/streams";
import {
  type Chunk,
  DONE,
  type Pull,
  type Pulled,
  type Run,
  type SourceStage,
  soon,
  WAIT,
  type Wake,
} from "@millrace/streams/stage";
import type { KafkaDriver } from "../client/port.js";
import { ConsumerSession, type Delivery } from "../consumer/consumer-session.js";
import type { RecordReader } from "../consumer/record-reader.js";
import { type Control, ConsumerControl } from "../control.js";
import type { ParsedCommitter, ParsedConsumer } from "../settings.js";

export interface ConsumerSourceOptions<out A> {
  readonly name: string;
  readonly settings: ParsedConsumer;
  readonly driver: KafkaDriver;
  readonly logger: Logger;
  readonly reader: RecordReader<A>;
  /** When the session commits what has finished by itself; absent where committers ask it to. */
  readonly commits?: (run: Run) => ParsedCommitter | undefined;
}

class ConsumerOutlet<A> implements Pull<A> {
  readonly #session: ConsumerSession;
  readonly #reader: RecordReader<A>;
  readonly #run: Run;
  readonly control: Control;
  #wake: Wake | undefined;
  #wakeScheduled = false;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor({ settings, driver, logger, reader, commits }: ConsumerSourceOptions<A>, run: Run) {
    this.#reader = reader;
    this.#run = run;
    const listener = { onAvailable: () => this.#notify() };
    this.#session = new ConsumerSession({ settings, driver, logger, clock: run.clock, listener });
    const committer = commits?.(run);
    if (committer) this.#session.commitFinished(committer);
    this.control = new ConsumerControl(this.#session, run.clock, () => this.#complete());
    this.#session.start();
    // Once the run has ended nothing of it can commit any more.
    run.onEnd(() => this.control.shutdown());
  }

  /** Later, because a claim may end while downstream is at work. */
  #notify(): void {
    if (!this.#wake || this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    soon(() => {
      this.#wakeScheduled = false;
      const wake = this.#wake;
      this.#wake = undefined;
      wake?.();
    });
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#failure) throw this.#failure.error;
    while (!this.#ended) {
      const deliveries = this.#session.take();
      if (deliveries.length === 0) {
        if (this.#session.failure) {
          this.#fail(this.#session.failure.error);
          throw this.#session.failure.error;
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

  #read(deliveries: readonly Delivery[]): Chunk<A> {
    const elements: A[] = [];
    const now = this.#run.clock.now();
    for (const delivery of deliveries) {
      const { from, to, fetched } = delivery.run;
      for (let index = from; index < to; index++) {
        try {
          elements.push(this.#reader.read(delivery, index, now, this.#session));
        } catch (error) {
          if (this.#run.decide(error) === "stop") {
            this.#fail(error);
            return elements;
          }
          this.#reader.skip(delivery, index, now);
        }
      }
      if (!this.#reader.keepsBytes) fetched.runDone();
    }
    return elements;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#session.stop();
  }

  cancel(): void {
    this.#ended = true;
    this.#wake = undefined;
    this.#session.abandon();
  }

  #complete(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#session.stop();
    this.#notify();
  }
}

export const consumerSource = <A>(options: ConsumerSourceOptions<A>): SourceStage<A, Control> => ({
  name: options.name,
  create(run) {
    const outlet = new ConsumerOutlet(options, run);
    return { outlet, mat: outlet.control };
  },
});
