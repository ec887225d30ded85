import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "./meter.js";
import type { Job } from "./worker.js";

/** How a process ended, in words. */
type Ending = { readonly code: number | null; readonly text: string };

/** The pipeline's process, seen from its parent. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ending>;

  constructor(job: Job) {
    // Beside this file: `worker.js` of a build, `worker.ts` under a loader.
    const path = fileURLToPath(new URL(`worker${extname(import.meta.url)}`, import.meta.url));
    this.#child = fork(path, [JSON.stringify(job)]);
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("exit", (code, signal) =>
        resolve({ code, text: signal === null ? `exit code ${code ?? "?"}` : signal }),
      );
    });
    this.#ended.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves with the first report that `holds`; rejects when the process ends before. */
  async until(holds: () => boolean, onReport: (report: Report) => void): Promise<void> {
    let listener: (report: Report) => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      listener = (report) => {
        onReport(report);
        if (holds()) resolve();
      };
      this.#child.on("message", listener);
    });
    const ended = this.#ended.then(({ text }): never => {
      throw new Error(`The pipeline's process ended too early, with ${text}.`);
    });
    try {
      await Promise.race([reached, ended]);
    } finally {
      this.#child.off("message", listener);
    }
  }

  /** Ends it at once and without warning. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Asks it to finish what it has begun and to end. */
  async drain(): Promise<void> {
    this.#child.kill("SIGTERM");
    const { code, text } = await this.#ended;
    if (code !== 0) throw new Error(`The pipeline did not drain: its process ended with ${text}.`);
  }
}
