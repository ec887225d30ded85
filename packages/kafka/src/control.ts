/** Steers a running Kafka source; its materialised value. */
export interface Control {
  /** Completes the source's outlet and delivers nothing more; the client stays, so that commits go on. Idempotent. */
  stop(): Promise<void>;
  /** Stops, waits for commits under way, leaves the group and closes the client. Idempotent. */
  shutdown(): Promise<void>;
  /** `stop()`, wait for `streamCompletion`, `shutdown()`; the stream's failure wins over one of the shutdown. */
  drainAndShutdown<T>(streamCompletion: Promise<T>): Promise<T>;
  /** Resolves when the client is closed, rejects when closing failed. */
  readonly isShutdown: Promise<void>;
}

/** `Control` methods that follow from `stop` and `shutdown`. */
export const drainAndShutdown = async <T>(
  control: Pick<Control, "stop" | "shutdown">,
  streamCompletion: Promise<T>,
): Promise<T> => {
  let result: T;
  try {
    await control.stop();
    result = await streamCompletion;
  } catch (error) {
    // The stream's failure is the one to report; that of the shutdown is seen in isShutdown.
    await control.shutdown().catch(() => undefined);
    throw error;
  }
  await control.shutdown();
  return result;
};

/** A `Control` joined with the end of its stream: `toMat(committerSink(), DrainingControl.from)`. */
export class DrainingControl<T> {
  readonly #control: Control;
  /** Settles with the stream. */
  readonly streamCompletion: Promise<T>;

  private constructor(control: Control, streamCompletion: Promise<T>) {
    this.#control = control;
    this.streamCompletion = streamCompletion;
    // Whoever holds the control learns of a failure by streamCompletion, isShutdown or drainAndShutdown.
    streamCompletion.catch(() => undefined);
  }

  static from<T>(this: void, control: Control, streamCompletion: Promise<T>): DrainingControl<T> {
    return new DrainingControl(control, streamCompletion);
  }

  /** Stops reading; see `Control.stop`. */
  stop(): Promise<void> {
    return this.#control.stop();
  }

  /**
   * Stops reading, lets everything in flight finish and be committed, leaves the group and closes the client.
   * Resolves with the stream's result; rejects with the stream's failure, after closing all the same.
   */
  drainAndShutdown(): Promise<T> {
    return this.#control.drainAndShutdown(this.streamCompletion);
  }

  /** Settles once the stream has ended and the client is closed; rejects with the stream's failure, or that of closing. */
  get isShutdown(): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    const [, closed] = await Promise.allSettled([this.streamCompletion, this.#control.isShutdown]);
    await this.streamCompletion;
    if (closed.status === "rejected") throw closed.reason;
  }
}
