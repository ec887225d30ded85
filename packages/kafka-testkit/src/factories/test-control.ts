import type { Control, DrainReport } from "@millrace/kafka";
import { Keep, KillSwitches, type Source } from "@millrace/streams";
import { KafkaTestkitError } from "../errors.js";

const unsupported = (call: string): KafkaTestkitError =>
  new KafkaTestkitError(
    "NOT_SUPPORTED",
    `control.${call}: there is no consumer behind this source. Run a real one on SimulatedKafka to test that.`,
  );

/** Ends its source, and nothing else. */
class TestControl implements Control {
  readonly #end: () => void;
  readonly #ended: () => void;
  readonly isShutdown: Promise<void>;

  constructor(end: () => void, termination: Promise<void>) {
    this.#end = end;
    let ended = (): void => undefined;
    this.isShutdown = new Promise((resolve) => (ended = resolve));
    this.#ended = ended;
    termination.then(ended, ended);
  }

  async stop(): Promise<void> {
    this.#end();
  }

  async shutdown(): Promise<void> {
    await this.stop();
    this.#ended();
  }

  async drainAndShutdown<T>(streamCompletion: Promise<T>): Promise<DrainReport<T>> {
    await this.stop();
    try {
      const result = await streamCompletion;
      const counts = { delivered: 0, processed: 0, discarded: 0, parked: 0, abandoned: 0, expectedReplays: 0 };
      return { result, partitions: [], ...counts, toString: () => "a test control counts nothing" };
    } finally {
      await this.shutdown();
    }
  }

  report(): [] {
    return [];
  }

  assignment(): [] {
    return [];
  }

  health(): never {
    throw unsupported("health");
  }

  explain(): never {
    throw unsupported("explain");
  }

  pause(): never {
    throw unsupported("pause");
  }

  resume(): never {
    throw unsupported("resume");
  }

  async seek(): Promise<never> {
    throw unsupported("seek");
  }

  async replayFrom(): Promise<never> {
    throw unsupported("replayFrom");
  }

  async lag(): Promise<never> {
    throw unsupported("lag");
  }

  metrics(): never {
    throw unsupported("metrics");
  }
}

/**
 * The source with the control of a consumer, so that a graph that expects one can be run over elements of a test: `stop`,
 * `shutdown` and `drainAndShutdown` end it. What only a consumer can do fails with `NOT_SUPPORTED`.
 */
export const attachControl = <A>(source: Source<A, unknown>): Source<A, Control> =>
  source
    .viaMat(KillSwitches.single<A>(), Keep.right)
    .watchTermination((killSwitch, termination): Control => new TestControl(() => killSwitch.shutdown(), termination));
