import type { Logger } from "@millrace/streams";
import {
  type Chunk,
  DONE,
  type Pull,
  type Pulled,
  type Run,
  type SourceStage,
  WAIT,
  type Wake,
} from "@millrace/streams/stage";
import type { KafkaDriver } from "../client/port.js";
import { ConsumerSession } from "../consumer/consumer-session.js";
import type { BufferedRun } from "../consumer/record-buffer.js";
import { type Control, drainAndShutdown } from "../control.js";
import type { ParsedConsumer } from "../settings.js";

/** Makes elements of fetched records. */
export interface RecordReader<out A> {
  /** The element of record `index`. A throw is supervised. */
  readonly read: (run: BufferedRun, index: number, session: ConsumerSession) => A;
  /** Elements refer to the fetched bytes, so that a chunk cannot be released. */
  readonly keepsBytes: boolean;
}

export interface ConsumerSourceOptions<out A> {
  readonly name: string;
  readonly settings: ParsedConsumer;
  readonly driver: KafkaDriver;
  readonly logger: Logger;
  readonly reader: RecordReader<A>;
}

class ConsumerOutlet<A> implements Pull<A>, Control {
  readonly #session: ConsumerSession;
  readonly #reader: RecordReader<A>;
  readonly #run: Run;
  #wake: Wake | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #closed: (closing: Promise<void>) => void = () => undefined;
  readonly isShutdown: Promise<void>;

  constructor(options: ConsumerSourceOptions<A>, run: Run) {
    this.#reader = options.reader;
    this.#run = run;
    this.isShutdown = new Promise((resolve) => {
      this.#closed = resolve;
    });
    this.isShutdown.catch(() => undefined);
    this.#session = new ConsumerSession(options.settings, options.driver, options.logger, {
      onAvailable: () => this.#notify(),
    });
    this.#session.start();
    // Once the run has ended nothing of it can commit any more.
    run.onEnd(() => this.shutdown());
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  pull(wake: Wake): Pulled<A> {
    if (this.#failure) throw this.#failure.error;
    while (!this.#ended) {
      const runs = this.#session.take();
      if (runs.length === 0) {
        if (this.#session.failure) {
          this.#failure = this.#session.failure;
          this.#session.stop();
          throw this.#failure.error;
        }
        this.#wake = wake;
        return WAIT;
      }
      const elements = this.#read(runs);
      if (elements.length > 0) return elements;
      if (this.#failure) throw (this.#failure as { readonly error: unknown }).error;
    }
    return DONE;
  }

  #read(runs: readonly BufferedRun[]): Chunk<A> {
    const elements: A[] = [];
    for (const run of runs) {
      for (let index = run.from; index < run.to; index++) {
        try {
          elements.push(this.#reader.read(run, index, this.#session));
        } catch (error) {
          if (this.#run.decide(error) !== "stop") continue;
          this.#failure = { error };
          this.#session.stop();
          return elements;
        }
      }
    }
    if (!this.#reader.keepsBytes) runs[0]?.chunk.release();
    return elements;
  }

  cancel(): void {
    this.#ended = true;
    this.#wake = undefined;
    this.#session.stop();
  }

  stop(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.#session.stop();
      this.#notify();
    }
    return Promise.resolve();
  }

  async shutdown(): Promise<void> {
    await this.stop();
    const closing = this.#session.shutdown();
    this.#closed(closing);
    await closing;
  }

  drainAndShutdown<T>(streamCompletion: Promise<T>): Promise<T> {
    return drainAndShutdown(this, streamCompletion);
  }
}

export const consumerSource = <A>(options: ConsumerSourceOptions<A>): SourceStage<A, Control> => ({
  name: options.name,
  create(run) {
    const outlet = new ConsumerOutlet(options, run);
    return { outlet, mat: outlet };
  },
});
