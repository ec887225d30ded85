import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const COPIED = [
  "packages",
  "test",
  "scripts",
  "docs",
  "package.json",
  ".mocharc.json",
  "tsconfig.base.json",
  "tsconfig.check.json",
  "README.md",
];

/** A copy of the repository whose sources may be broken; installed modules are shared with the repository. */
export class Checkout {
  readonly folder: string;
  /** The end of what the last run of mocha printed. */
  said = "";
  #running: ChildProcess | undefined;

  constructor(root: string, folder: string) {
    this.folder = folder;
    for (const each of COPIED) {
      // The workspace's links are relative, and lead to the packages of the copy.
      cpSync(join(root, each), join(folder, each), { recursive: true, verbatimSymlinks: true });
    }
    mkdirSync(join(folder, "node_modules"));
    for (const each of readdirSync(join(root, "node_modules"))) {
      const [from, to] = [join(root, "node_modules", each), join(folder, "node_modules", each)];
      if (each === "@millrace") cpSync(from, to, { recursive: true, verbatimSymlinks: true });
      else symlinkSync(from, to);
    }
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.folder, path), text);
  }

  /** Where a file of the copy is in the repository. */
  pathOf(file: string): string {
    return relative(this.folder, file);
  }

  /** The exit code of mocha, or undefined when it was ended after `limitMs`. */
  mocha(args: readonly string[], limitMs: number, env: NodeJS.ProcessEnv = {}): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const mocha = spawn(process.execPath, ["node_modules/mocha/bin/mocha.js", "--exit", ...args], {
        cwd: this.folder,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        // mocha starts another node for its options; both are ended.
        detached: true,
      });
      this.#running = mocha;
      let said = "";
      for (const stream of [mocha.stdout, mocha.stderr]) {
        stream.on("data", (data: Buffer) => {
          said = (said + data.toString()).slice(-4000);
        });
      }
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        this.end();
      }, limitMs);
      mocha.once("error", reject);
      mocha.once("close", (code) => {
        clearTimeout(timer);
        this.#running = undefined;
        this.said = said;
        resolve(late ? undefined : (code ?? 1));
      });
    });
  }

  /** Ends mocha where it runs, which would go on without this process. */
  end(): void {
    const pid = this.#running?.pid;
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  }
}
