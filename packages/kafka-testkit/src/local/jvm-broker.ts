import { KafkaTestkitError } from "../errors.js";
import type { LocalBroker } from "./backend.js";
import type { GuardedProcess } from "./guardian.js";
import { awaitCluster } from "./readiness.js";

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 20_000;

/** A broker in a JVM; `launch` starts that JVM. */
export class JvmBroker implements LocalBroker {
  readonly id: number;
  readonly address: string;
  readonly #launch: () => Promise<GuardedProcess>;
  #process: GuardedProcess | undefined;
  #lastCall: Promise<unknown> = Promise.resolve();

  constructor(id: number, address: string, launch: () => Promise<GuardedProcess>) {
    this.id = id;
    this.address = address;
    this.#launch = launch;
  }

  get pid(): number | undefined {
    return this.#process?.exit === undefined ? this.#process?.pid : undefined;
  }

  kill(): Promise<void> {
    return this.#inTurn(() => this.#end("SIGKILL"));
  }

  stop(): Promise<void> {
    return this.#inTurn(() => this.#shutDown());
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.startWith(1));
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#shutDown();
      await this.startWith(1);
    });
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => this.#process?.signal("SIGSTOP"));
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => this.#process?.signal("SIGCONT"));
  }

  /** Starts it; done when it lists itself and at least `brokers` brokers. */
  async startWith(brokers: number): Promise<void> {
    if (this.pid !== undefined) return;
    const jvm = await this.#launch();
    this.#process = jvm;
    const check = (): void => {
      if (jvm.exit !== undefined) throw this.#failed(`ended with ${jvm.exit.how}`, jvm);
    };
    await awaitCluster(
      this.address,
      (layout) => layout.brokers.length >= brokers && layout.brokers.some(({ id }) => id === this.id),
      { what: `Kafka broker ${this.id} is up`, timeoutMs: START_TIMEOUT_MS, check },
    ).catch((error: unknown) => {
      if (error instanceof KafkaTestkitError && error.code === "START_FAILED") throw error;
      throw this.#failed(`was not ready after ${START_TIMEOUT_MS} ms`, jvm, error);
    });
  }

  async #shutDown(): Promise<void> {
    // A frozen process keeps a SIGTERM for later.
    await this.#process?.signal("SIGCONT");
    const timer = setTimeout(() => void this.#process?.signal("SIGKILL").catch(() => undefined), STOP_TIMEOUT_MS);
    try {
      await this.#end("SIGTERM");
    } finally {
      clearTimeout(timer);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.signal(signal);
    await this.#process?.exited();
    this.#process = undefined;
  }

  #failed(what: string, jvm: GuardedProcess, cause?: unknown): KafkaTestkitError {
    const output = jvm.lastLines() || "(it printed nothing)";
    return new KafkaTestkitError("START_FAILED", `Kafka broker ${this.id} ${what}. Its last lines:\n${output}`, cause);
  }

  #inTurn(call: () => Promise<void>): Promise<void> {
    const result = this.#lastCall.then(call);
    this.#lastCall = result.catch(() => undefined);
    return result;
  }
}
