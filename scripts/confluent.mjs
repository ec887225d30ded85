// Builds Confluent's binding for its own tests: an install leaves it alone, because its build may download.
//   pnpm confluent
// CKJS_LINKING=dynamic uses the libraries of this machine; Confluent's default is static, which downloads them.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

const loads = () => spawnSync(process.execPath, ["-e", 'require("@confluentinc/kafka-javascript")']).status === 0;

/** node-gyp downloads Node's headers unless it is told where the installed node keeps its own. */
const headers = () => {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include/node/node.h")) ? { npm_config_nodedir: prefix } : {};
};

if (loads()) {
  console.log("@confluentinc/kafka-javascript is built");
} else {
  console.log("building @confluentinc/kafka-javascript, which takes two minutes …");
  const folder = dirname(require.resolve("@confluentinc/kafka-javascript/package.json"));
  const { status, stderr } = spawnSync("npm", ["run", "install"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
    env: { ...headers(), ...process.env, CKJS_LINKING: process.env.CKJS_LINKING ?? "dynamic" },
  });
  if (status !== 0 || !loads()) {
    console.error(String(stderr).split("\n").slice(-40).join("\n"));
    console.error("@confluentinc/kafka-javascript could not be built; the tests of its driver are skipped without it");
    process.exit(1);
  }
}
spawnSync(process.execPath, [join(import.meta.dirname, "codecs.mjs"), "@confluentinc/kafka-javascript"], {
  stdio: "inherit",
});
