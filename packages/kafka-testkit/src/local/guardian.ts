import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { KafkaTestkitError } from "../errors.js";
import { forkModule, keepingAlive } from "../fork-module.js";
import type { GuardianEvent, GuardianRequest } from "./guardian-protocol.js";

const LINES_KEPT = 40;

export interface ExitReport {
  readonly succeeded: boolean;
  /** A signal's name or an exit code, in words. */
  readonly how: string;
}

/** A process that ends with its guardian at the latest. */
export class GuardedProcess {
  readonly name: string;
  readonly #lines: string[] = [];
  readonly #send: (signal: NodeJS.Signals) => Promise<void>;
  #settle: (report: ExitReport) => void = () => undefined;
  readonly #exit: Promise<ExitReport> = new Promise((resolve) => (this.#settle = resolve));
  pid: number | undefined;
  /** Undefined while it runs. */
  exit: ExitReport | undefined;

  constructor(name: string, send: (signal: NodeJS.Signals) => Promise<void>) {
    this.name = name;
    this.#send = send;
  }

  /** Done when the signal has been sent; nothing happens when the process has ended. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (this.exit === undefined) await this.#send(signal);
  }

  exited(): Promise<ExitReport> {
    return keepingAlive(this.#exit);
  }

  /** The newest lines of its output, as many as are kept, for an error message. */
  lastLines(): string {
    return this.#lines.join("\n");
  }

  ended(report: ExitReport): void {
    this.exit ??= report;
    this.#settle(this.exit);
  }

  printed(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
  }
}

interface Waiter {
  readonly resolve: (pid: number | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** The parent's side of `guardian-process.ts`. */
export class Guardian {
  readonly directory: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #log: (line: string) => void;
  readonly #waiters = new Map<number, Waiter>();
  readonly #processes = new Map<number, GuardedProcess>();
  #lastId = 0;
  #closing = false;

  private constructor(child: ChildProcess, exit: Promise<unknown>, directory: string, log: (line: string) => void) {
    this.#child = child;
    this.#exit = exit;
    this.directory = directory;
    this.#log = log;
    child.on("message", (event: GuardianEvent) => this.#heard(event));
    child.once("exit", () => this.#childExited());
  }

  static async start(log: (line: string) => void): Promise<Guardian> {
    const child = forkModule(import.meta.url, "guardian-process");
    const exit = once(child, "exit");
    const ready = once(child, "message") as Promise<[GuardianEvent]>;
    const [event] = await keepingAlive(Promise.race([ready, exit.then((): [undefined] => [undefined])]));
    if (event?.kind !== "ready") {
      throw new KafkaTestkitError("START_FAILED", "The process that guards Kafka's JVMs ended before it was ready.");
    }
    return new Guardian(child, exit, event.directory, log);
  }

  /** Starts a process; its lines go to the log, each behind `name`; fails with `START_FAILED`. */
  async spawn(name: string, command: string, args: readonly string[]): Promise<GuardedProcess> {
    const id = ++this.#lastId;
    const guarded = new GuardedProcess(name, async (signal) => {
      await this.#request({ kind: "signal", id: ++this.#lastId, process: id, signal });
    });
    this.#processes.set(id, guarded);
    guarded.pid = await this.#request({ kind: "spawn", id, command, args });
    return guarded;
  }

  /** Kills every process, removes the directory; done when both are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#child.connected) this.#child.disconnect();
    await keepingAlive(this.#exit);
  }

  #request(request: GuardianRequest): Promise<number | undefined> {
    const answer = new Promise<number | undefined>((resolve, reject) => {
      this.#waiters.set(request.id, { resolve, reject });
      if (!this.#child.connected) return this.#refuse(request.id, "the process that guards the JVMs has ended");
      this.#child.send(request, (error) => error !== null && this.#refuse(request.id, error.message));
    });
    return keepingAlive(answer);
  }

  #refuse(id: number, reason: string): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    waiter?.reject(new KafkaTestkitError("START_FAILED", `A Kafka process cannot be started or signalled: ${reason}`));
  }

  #heard(event: GuardianEvent): void {
    if (event.kind === "line") {
      const guarded = this.#processes.get(event.process);
      guarded?.printed(event.line);
      this.#log(`${guarded?.name}: ${event.line}`);
    }
    if (event.kind === "exited") {
      this.#processes.get(event.process)?.ended(event);
      this.#processes.delete(event.process);
    }
    if (event.kind === "done") {
      if (event.error !== undefined) return this.#refuse(event.id, event.error);
      this.#waiters.get(event.id)?.resolve(event.pid);
      this.#waiters.delete(event.id);
    }
  }

  #childExited(): void {
    for (const id of [...this.#waiters.keys()]) this.#refuse(id, "the process that guards the JVMs has ended");
    for (const guarded of this.#processes.values()) {
      // 1. somebody killed the guardian; 2. its JVMs live on; 3. so the only process that knows them ends them.
      if (!this.#closing && guarded.pid !== undefined) killQuietly(guarded.pid);
      guarded.ended({ succeeded: false, how: "its guardian ended" });
    }
    this.#processes.clear();
    if (!this.#closing) void rm(this.directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
