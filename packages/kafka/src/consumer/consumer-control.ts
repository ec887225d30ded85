import type { Run } from "@millrace/streams/stage";
import type { ConsumerCommands } from "./consumer-commands.js";
import type { ConsumerSession } from "./consumer-session.js";
import type { Control } from "./control.js";
import type { DrainOptions } from "./drain.js";
import type { DrainReport } from "./drain-report.js";
import { ForwardedCommands } from "./forwarded-commands.js";
import { type RunControl, runControlOf } from "./run-control.js";

/** The control of one consumer. */
export class ConsumerControl extends ForwardedCommands implements Control {
  readonly ofRun: RunControl;
  protected readonly commands: ConsumerCommands;
  readonly #session: ConsumerSession;
  readonly #complete: () => void;
  #closed: (closing: Promise<void>) => void = () => undefined;
  readonly isShutdown: Promise<void>;

  constructor(session: ConsumerSession, run: Run, complete: () => void) {
    super();
    this.#session = session;
    this.commands = session.commands;
    this.#complete = complete;
    this.isShutdown = new Promise((resolve) => {
      this.#closed = resolve;
    });
    this.isShutdown.catch(() => undefined);
    this.ofRun = runControlOf(run);
    this.ofRun.add(this);
  }

  stop(): Promise<void> {
    this.#complete();
    return Promise.resolve();
  }

  async shutdown(): Promise<void> {
    await this.stop();
    const closing = this.#session.shutdown();
    this.#closed(closing);
    await closing;
  }

  /** See `ConsumerSession.letGo`. */
  letGo(): void {
    this.#session.letGo();
  }

  /** See `ConsumerSession.leaks`. */
  get leaks(): boolean {
    return this.#session.leaks;
  }

  drainAndShutdown<T>(streamCompletion: Promise<T>, options?: DrainOptions): Promise<DrainReport<T>> {
    return this.ofRun.drainAndShutdown(streamCompletion, options);
  }
}
