/** A program of a user's in a process of its own: what it prints, how it ends. */
import { spawn, type ChildProcess } from "node:child_process";

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface ServiceOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Then it is killed; default 60 s. */
  readonly limitMs?: number;
}

export class ServiceProcess {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #output = "";
  #errors = "";

  /** Runs `node` with these arguments, as a user would: with nothing of what these tests set. */
  constructor(args: readonly string[], { cwd, env = {}, limitMs = 60_000 }: ServiceOptions) {
    const { MILLRACE_LOG: _, NODE_OPTIONS: __, ...inherited } = process.env;
    this.#child = spawn(process.execPath, args, {
      cwd,
      env: { ...inherited, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: limitMs,
      killSignal: "SIGKILL",
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => resolve({ code, output: this.#output, errors: this.#errors }));
    });
  }

  get output(): string {
    return this.#output;
  }

  /** All it has printed, for a failure's message. */
  get printed(): string {
    return `${this.#output}${this.#errors}`;
  }

  /** Asks until it is so; rejects with what the program has printed where it ends before, or does not come to it. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    let over = false;
    void this.ended.then(() => (over = true));
    while (!(await isSo())) {
      if (over) throw new Error(`ended before ${what}:\n${this.printed}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  signal(signal: NodeJS.Signals): Promise<Ended> {
    this.#child.kill(signal);
    return this.ended;
  }
}

const POLL_MS = 100;
