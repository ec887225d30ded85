// Tries this commit under other versions of Node: `node scripts/nodes.mjs 22 24 26`; a quarter of an hour each.
// Node comes from the registry, as the package node-<platform>-<arch>; a clone is installed, and runs the demo, the unit and the embedded ring.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const PNPM = ["npx", "--yes", "pnpm@10.34.9"];
const STEPS = [["install", "--frozen-lockfile"], ["demo"], ["test", "unit", "embedded"]];

/** The folder of an unpacked node. */
const unpacked = (version, folder) => {
  const name = `node-${process.platform}-${process.arch}@${version}`;
  const packed = join(folder, "packed");
  mkdirSync(packed);
  execFileSync("npm", ["pack", "--silent", name], { cwd: packed, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("tar", ["-xzf", readdirSync(packed)[0]], { cwd: packed });
  return join(packed, "package");
};

/** The first step that failed; none where all held. */
const tried = (version) => {
  const folder = mkdtempSync(join(tmpdir(), `millrace-node-${version}-`));
  try {
    const node = unpacked(version, folder);
    const clone = join(folder, "millrace");
    execFileSync("git", ["clone", "--quiet", ".", clone]);
    const env = {
      ...process.env,
      PATH: `${join(node, "bin")}${delimiter}${process.env.PATH}`,
      npm_config_nodedir: node,
    };
    console.log(`\n=== ${execFileSync(join(node, "bin/node"), ["--version"], { encoding: "utf8" }).trim()}`);
    return STEPS.find(([...step]) => {
      console.log(`=== pnpm ${step.join(" ")}`);
      const [command, ...args] = [...PNPM, ...step];
      return spawnSync(command, args, { cwd: clone, env, stdio: "inherit" }).status !== 0;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const versions = process.argv.slice(2);
if (versions.length === 0) throw new Error("Name versions: node scripts/nodes.mjs 22 24 26");
const results = versions.map((version) => ({ version, failed: tried(version) }));
console.log("");
for (const { version, failed } of results)
  console.log(`Node ${version}: ${failed === undefined ? "holds" : `FAILED at pnpm ${failed.join(" ")}`}`);
process.exitCode = results.some(({ failed }) => failed) ? 1 : 0;
