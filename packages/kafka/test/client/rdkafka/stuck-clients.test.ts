import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const PROGRAM = fileURLToPath(new URL("./support/stuck-process.ts", import.meta.url));

describe("a process with a client that is stuck while it closes", function () {
  this.timeout(40_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "millrace-stuck-"));
    execFileSync("mkfifo", [join(folder, "fifo")]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** How it ended; by SIGTERM where it had to be killed. */
  const ending = async (what: string, limitMs: number) => {
    const args = ["--import=tsx", "--conditions=@millrace/source", PROGRAM, what, join(folder, "fifo")];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], timeout: limitMs });
    const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
    const [how, errors] = await Promise.all([ended, text(child.stderr)]);
    return { how, errors };
  };

  it("would never end, for Node waits for all its threads", async () => {
    expect((await ending("unknown", 5000)).how).to.deep.equal({ code: null, signal: "SIGTERM" });
  });

  it("is killed ten seconds after it exits, and says why", async () => {
    const { how, errors } = await ending("stuck", 25_000);
    expect(how).to.deep.equal({ code: null, signal: "SIGKILL" });
    expect(errors).to.match(/^kafka: 1 clients are stuck while they close, .* in place of exit code 3\n$/);
  });

  it("kills itself at once where no other process can be started, and says why", async () => {
    const { how, errors } = await ending("alone", 5000);
    expect(how).to.deep.equal({ code: null, signal: "SIGKILL" });
    expect(errors).to.match(/^kafka: 1 clients are stuck while they close, .* in place of exit code 3\n$/);
  });

  it("ends by its own exit code where the client closes after all, and leaves no process behind", async () => {
    expect(await ending("late", 20_000)).to.deep.equal({ how: { code: 3, signal: null }, errors: "" });
  });

  it("ends by its own exit code once the client has closed", async () => {
    expect(await ending("closed", 20_000)).to.deep.equal({ how: { code: 3, signal: null }, errors: "" });
  });
});
