// Packs every public package as it would be published and has publint and are-the-types-wrong look at the tarball.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { packAll } from "./pack.mjs";

const require = createRequire(import.meta.url);
const attw = join(dirname(require.resolve("@arethetypeswrong/cli/package.json")), "dist/index.js");
const folder = mkdtempSync(join(tmpdir(), "millrace-pack-"));
let failed = 0;

try {
  for (const [name, tarball] of packAll(folder)) {
    const { messages, pkg } = await publint({
      pack: { tarball: new Uint8Array(readFileSync(tarball)).buffer },
      strict: true,
    });
    for (const message of messages) console.error(`${name}: ${formatMessage(message, pkg)}`);
    let typesOk = true;
    try {
      execFileSync(process.execPath, [attw, tarball, "--profile", "esm-only"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
    } catch (error) {
      typesOk = false;
      console.error(String(error.stdout));
    }
    const ok = typesOk && messages.length === 0;
    if (!ok) failed += 1;
    console.log(`${ok ? "ok" : "WRONG"}  @millrace/${name}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`packages: ${readdirSync("packages").length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
