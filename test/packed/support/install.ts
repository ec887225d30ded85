import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { packAll } from "../../../scripts/pack.mjs";

const NAMES = ["streams", "kafka", "streams-testkit", "kafka-testkit"] as const;
/** What the packages and their users depend on, from this workspace: the test reaches no registry. */
const OTHERS = [
  "packages/kafka/node_modules/zod",
  "packages/kafka/node_modules/@standard-schema",
  "packages/kafka/node_modules/node-rdkafka",
  "packages/kafka-testkit/node_modules/testcontainers",
  "node_modules/tsx",
];

/** Changes one text of an installed package, so that it passes for another version. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A folder with the packages as an install from a registry leaves them. */
export class Installed {
  readonly folder: string = mkdtempSync(join(tmpdir(), "millrace-packed-"));
  readonly #tarballs: ReadonlyMap<string, string>;

  constructor() {
    const tarballs = join(this.folder, "tarballs");
    mkdirSync(tarballs);
    this.#tarballs = packAll(tarballs);
    this.#unpack(this.folder, NAMES);
    for (const other of OTHERS) {
      symlinkSync(resolve(other), join(this.folder, "node_modules", other.slice(other.lastIndexOf("/"))));
    }
    cpSync("test/packed/app", this.folder, { recursive: true });
    writeFileSync(join(this.folder, "package.json"), JSON.stringify({ type: "module" }));
  }

  /** A package of reusable flows that brings its own copies of the packages. */
  addFlows(name: string, ...changes: readonly Change[]): void {
    const flows = join(this.folder, "node_modules", name);
    mkdirSync(flows, { recursive: true });
    writeFileSync(join(flows, "package.json"), JSON.stringify({ name, type: "module", exports: "./flows.mjs" }));
    cpSync("test/packed/app/flows.mjs", join(flows, "flows.mjs"));
    this.#unpack(flows, ["streams", "kafka"]);
    for (const change of changes) {
      const file = join(flows, "node_modules/@millrace/streams", change.file);
      const text = readFileSync(file, "utf8");
      if (!text.includes(change.from)) throw new Error(`${change.file} has no ${change.from}`);
      writeFileSync(file, text.replaceAll(change.from, change.to));
    }
  }

  /** Runs a program of the folder; fails with what it has printed. */
  run(program: string, ...args: string[]): void {
    try {
      execFileSync(process.execPath, [program, ...args], { cwd: this.folder, stdio: "pipe", timeout: 60_000 });
    } catch (error) {
      const { stdout, stderr } = error as { readonly stdout: Buffer; readonly stderr: Buffer };
      throw new Error(`${String(stdout)}${String(stderr)}`, { cause: error });
    }
  }

  #unpack(folder: string, names: readonly string[]): void {
    for (const name of names) {
      const to = join(folder, "node_modules/@millrace", name);
      mkdirSync(dirname(to), { recursive: true });
      mkdirSync(to);
      execFileSync("tar", ["-xzf", this.#tarballs.get(name) as string, "-C", to, "--strip-components=1"]);
    }
  }
}
