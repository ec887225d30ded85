// Compiles the client in C++ of a package. What the compiler says goes to a file; here is told that it works, and for how long.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const TELL_EVERY_MS = 15_000;
const LINES_OF_FAILURE = 30;

/** What a build says where something is missing, and what to do about it. */
const REMEDIES = [
  [/find Python|python3?: (command )?not found/i, "install python3"],
  [/not found: make|make: (command )?not found|spawn make ENOENT/, "install make"],
  [
    /(g\+\+|c\+\+|cc1plus)[^\n]*(not found|No such file)/,
    "install a C++ compiler: build-essential on Debian, build-base on Alpine",
  ],
  [
    /getaddrinfo|ECONNREFUSED|ETIMEDOUT|ECONNRESET/,
    "the headers of Node could not be downloaded: set npm_config_nodedir to the folder of a node that has include/node",
  ],
];

export const loads = (name) => spawnSync(process.execPath, ["-e", `require(${JSON.stringify(name)})`]).status === 0;

/** node-gyp downloads Node's headers unless it is told where the installed node keeps its own. */
const headers = () => {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include/node/node.h")) ? { npm_config_nodedir: prefix } : {};
};

/** The likely one, by what the build has said. */
export const remedyFor = (said) => REMEDIES.find(([sign]) => sign.test(said))?.[1];

/** Compiles it unless it is there; answers whether it is now. */
export const compile = async (name, env = {}) => {
  if (loads(name)) return true;
  const log = join(".cache", `${name.replaceAll(/\W+/g, "-").replace(/^-/, "")}-build.log`);
  mkdirSync(dirname(log), { recursive: true });
  console.log(`compiling ${name}, about two minutes, once; the compiler's words go to ${log}`);
  const began = Date.now();
  const seconds = () => `${Math.round((Date.now() - began) / 1000)} s`;
  const progress = setInterval(() => console.log(`… ${seconds()}`), TELL_EVERY_MS);
  const status = await new Promise((resolve) => {
    const folder = dirname(require.resolve(`${name}/package.json`));
    const environment = { ...headers(), ...process.env, ...env };
    const build = spawn("npm", ["run", "install"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: environment,
    });
    const file = createWriteStream(log);
    for (const stream of [build.stdout, build.stderr]) stream.pipe(file, { end: false });
    build.once("error", (error) => file.end(String(error), () => resolve(error.code)));
    build.once("close", (code) => file.end(() => resolve(code)));
  });
  clearInterval(progress);
  if (status === 0 && loads(name)) {
    console.log(`compiled ${name} in ${seconds()}`);
    return true;
  }
  const said = readFileSync(log, "utf8");
  console.error(said.trimEnd().split("\n").slice(-LINES_OF_FAILURE).join("\n"));
  console.error(`${name} could not be compiled. ${remedyFor(said) ?? "It needs python3, make and a C++ compiler"}.`);
  return false;
};
