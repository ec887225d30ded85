import type { ConsumerCommands } from "./consumer-commands.js";
import type { DrainOptions } from "./drain.js";
import type { DrainReport } from "./drain-report.js";
import { ForwardedCommands } from "./forwarded-commands.js";

/** Steers a running Kafka source; its materialised value. */
export interface Control extends ConsumerCommands {
  /** All Kafka sources of this one's run; `DrainingControl` steers those. Absent: this one is all there is. */
  readonly ofRun?: ControlOfRun;
  /** Completes the source's outlet and delivers nothing more; the client stays, so that commits go on. Idempotent. */
  stop(): Promise<void>;
  /** Stops, commits what is finished, leaves the group and closes the client. Idempotent. */
  shutdown(): Promise<void>;
  /**
   * Stops all Kafka sources of the run, waits for `streamCompletion` and for every other sink of the run, shuts down
   * all; resolves with the outcomes of all records (I8). Rejects with the first failure of any sink, after closing all
   * the same, and with `DRAIN_INCOMPLETE`, which carries the report, when records were not finished in time or could
   * not be committed.
   */
  drainAndShutdown<T>(streamCompletion: Promise<T>, options?: DrainOptions): Promise<DrainReport<T>>;
  /** Resolves when the client is closed, rejects when closing failed. */
  readonly isShutdown: Promise<void>;
}

/** All Kafka sources of one run, steered as one: also those whose own controls were dropped on the way. */
export interface ControlOfRun extends Control {
  /**
   * Settles with `completion` once every sink of the run has ended, those of side branches included; rejects with the
   * first failure of any of them.
   */
  untilEnded<T>(completion: Promise<T>): Promise<T>;
}

/**
 * A `Control` joined with the end of its stream: `toMat(committerSink(), DrainingControl.from)`. It steers all Kafka
 * sources of the run, as those of `a.merge(b)`; to steer one of them keep its own control, as by `mergeMat`.
 */
export class DrainingControl<T> extends ForwardedCommands {
  protected readonly commands: ConsumerCommands;
  readonly #control: Control;
  /** Settles once every sink of the run has ended, side branches included; rejects with the first failure of any. */
  readonly streamCompletion: Promise<T>;

  private constructor(control: Control, streamCompletion: Promise<T>) {
    super();
    this.#control = control.ofRun ?? control;
    this.commands = this.#control;
    this.streamCompletion = control.ofRun?.untilEnded(streamCompletion) ?? streamCompletion;
  }

  static from<T>(this: void, control: Control, streamCompletion: Promise<T>): DrainingControl<T> {
    return new DrainingControl(control, streamCompletion);
  }

  /** Stops reading; see `Control.stop`. */
  stop(): Promise<void> {
    return this.#control.stop();
  }

  /**
   * Stops reading, lets everything in flight finish and be committed, leaves the group and closes the client. Resolves
   * with the outcomes of all records; rejects as `Control.drainAndShutdown` does.
   */
  drainAndShutdown(options?: DrainOptions): Promise<DrainReport<T>> {
    return this.#control.drainAndShutdown(this.streamCompletion, options);
  }

  /** Settles once the stream has ended and the client is closed; rejects with the failure of either. */
  get isShutdown(): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    const [, closed] = await Promise.allSettled([this.streamCompletion, this.#control.isShutdown]);
    await this.streamCompletion;
    if (closed.status === "rejected") throw closed.reason;
  }
}
