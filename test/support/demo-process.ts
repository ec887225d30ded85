/** Runs the orders demo from its sources, as `pnpm demo` runs its build. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export interface DemoRun {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  readonly lastLine: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LOADER = ["--import=tsx", "--conditions=@millrace/source"];

/** Waits for its end; what has not ended after `timeoutMs` is told to. */
export async function runDemo(args: readonly string[], timeoutMs: number): Promise<DemoRun> {
  const child = spawn(process.execPath, [...LOADER, "examples/orders/src/main.ts", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  const exited = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const [code, output, errors] = await Promise.all([exited, text(child.stdout), text(child.stderr)]);
  return { code, output, errors, lastLine: output.trimEnd().split("\n").at(-1) ?? "" };
}

/** The numbers of the demo's last line. */
export function verdictOf(lastLine: string): {
  readonly delivered: number;
  readonly orders: number;
  readonly lost: number;
  readonly duplicated: number;
} {
  const match = /^delivered (\d+) of (\d+) orders, lost (\d+), duplicated (\d+)$/.exec(lastLine);
  if (match === null) throw new Error(`not a verdict: ${JSON.stringify(lastLine)}`);
  const [delivered = 0, orders = 0, lost = 0, duplicated = 0] = match.slice(1).map(Number);
  return { delivered, orders, lost, duplicated };
}
