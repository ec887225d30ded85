import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Life } from "./life.js";
import type { Job, PipelineName, WorkerMessage } from "./protocol.js";

const RESTART_MS = 1_000;

export interface FleetOptions {
  readonly slots: number;
  /** Everything of a worker's job but what the fleet counts. */
  readonly job: Omit<Job, "life" | "pipeline" | "seed">;
  readonly seed: number;
  readonly pipelineOf: (life: number) => PipelineName;
  readonly propertiesOf: (slot: number) => Job["properties"];
  readonly onStarted: (life: Life) => void;
  readonly onMessage: (life: Life, message: WorkerMessage) => void;
  /** A process ended though nobody asked for it, or not as it was asked. */
  readonly onFailed: (life: Life) => void;
}

interface Running {
  readonly life: Life;
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

/** Keeps one worker process in each slot, and does to them what it is told to. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #running: (Running | undefined)[];
  readonly #timers = new Set<NodeJS.Timeout>();
  #started = 0;
  #closing = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#running = Array.from({ length: options.slots }, () => undefined);
  }

  /** The processes that run, stalled ones included. */
  get living(): readonly Life[] {
    return this.#running.flatMap((running) => (running === undefined ? [] : [running.life]));
  }

  start(slot: number): void {
    if (this.#closing || this.#running[slot] !== undefined) return;
    const { job, seed, pipelineOf, propertiesOf } = this.#options;
    const number = this.#started++;
    const pipeline = pipelineOf(number);
    const properties = { ...job.properties, ...propertiesOf(slot) };
    const argument: Job = { ...job, pipeline, life: number, seed: seed + number, properties };
    const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [JSON.stringify(argument)]);
    const at = Date.now();
    const life: Life = {
      number,
      slot,
      pipeline,
      startedAt: at,
      samples: [],
      stalls: [],
      heardAt: undefined,
      delivered: 0,
      progressAt: at,
      drainAt: undefined,
      ended: undefined,
    };
    this.#options.onStarted(life);
    let error = "";
    child.on("message", (message: WorkerMessage) => {
      if (message.kind === "failed") error = message.error;
      this.#heard(life, message);
    });
    const ended = once(child, "exit").then(([code, signal]) => {
      this.#running[slot] = undefined;
      this.#ended(
        life,
        code === 0 ? "exit code 0" : `${String(signal ?? `exit code ${String(code)}`)} ${error}`.trim(),
      );
    });
    this.#running[slot] = { life, child, ended };
  }

  startIn(slot: number, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.start(slot);
    }, delayMs);
    this.#timers.add(timer);
  }

  /** False when nothing runs there, or it is being ended already. */
  async kill(slot: number): Promise<boolean> {
    const running = this.#disturbable(slot);
    if (running === undefined) return false;
    running.life.ended = { at: Date.now(), how: "killed", text: "SIGKILL" };
    running.child.kill("SIGKILL");
    await running.ended;
    return true;
  }

  /** Freezes it for `stallMs`; resolves when it goes on. */
  async stall(slot: number, stallMs: number): Promise<boolean> {
    const running = this.#disturbable(slot);
    if (running === undefined) return false;
    const from = Date.now();
    const { stalls } = running.life;
    const index = stalls.push({ from, until: Infinity }) - 1;
    running.child.kill("SIGSTOP");
    await Promise.race([new Promise((resolve) => setTimeout(resolve, stallMs)), running.ended]);
    running.child.kill("SIGCONT");
    stalls[index] = { from, until: Date.now() };
    return true;
  }

  /** Asks it to finish, and kills it at the deadline; the life tells how it ended. */
  async drain(slot: number, deadlineMs: number): Promise<Life | undefined> {
    const running = this.#disturbable(slot);
    // Before it has said a word it does not listen to signals either.
    if (running?.life.heardAt === undefined) return undefined;
    running.life.drainAt = Date.now();
    running.child.kill("SIGTERM");
    const deadline = setTimeout(() => {
      const text = `SIGTERM was not answered within ${deadlineMs} ms`;
      running.life.ended = { at: Date.now(), how: "failed", text };
      running.child.kill("SIGKILL");
      this.#options.onFailed(running.life);
    }, deadlineMs);
    await running.ended;
    clearTimeout(deadline);
    return running.life;
  }

  /** Ends all at once, whatever they do. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const running = this.#running.flatMap((each) => each ?? []);
    // SIGKILL ends a frozen process as well.
    for (const { child } of running) child.kill("SIGKILL");
    await Promise.all(running.map(({ ended }) => ended));
  }

  #disturbable(slot: number): Running | undefined {
    const running = this.#running[slot];
    const life = running?.life;
    const stalled = life?.stalls.at(-1)?.until === Infinity;
    return life === undefined || life.ended !== undefined || life.drainAt !== undefined || stalled
      ? undefined
      : running;
  }

  #heard(life: Life, message: WorkerMessage): void {
    life.heardAt ??= message.at;
    if (message.kind === "progress" && message.delivered > life.delivered) {
      life.delivered = message.delivered;
      life.progressAt = message.at;
    }
    if (message.kind === "sample") life.samples.push(message.sample);
    this.#options.onMessage(life, message);
  }

  #ended(life: Life, text: string): void {
    if (life.ended !== undefined || this.#closing) return;
    const how = life.drainAt !== undefined && text === "exit code 0" ? "drained" : "failed";
    life.ended = { at: Date.now(), how, text };
    if (how === "drained") return;
    this.#options.onFailed(life);
    // As a supervisor would; a drain that failed is started again by whoever asked for it.
    if (life.drainAt === undefined) this.startIn(life.slot, RESTART_MS);
  }
}
