import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { remedyFor } from "../../scripts/native.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), "utf8");

describe("an install", () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "millrace-codecs-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const saidOf = (...args: readonly string[]): readonly string[] => {
    const { stdout, status } = spawnSync(process.execPath, ["scripts/codecs.mjs", ...args], {
      cwd: root,
      encoding: "utf8",
    });
    expect(status).to.equal(0);
    return stdout.trimEnd().split("\n");
  };
  const built = (exported: object): string => {
    const file = join(folder, `client-${Math.random()}.cjs`);
    writeFileSync(file, `module.exports = ${JSON.stringify(exported)};`);
    return file;
  };

  it("says in one line what it could not load, and does not fail for it", () => {
    const said = saidOf(join(folder, "nowhere.cjs"));
    expect(said).to.have.length(1);
    expect(said[0]).to.match(/nowhere\.cjs cannot be loaded/);
  });

  it("says in one line which codecs a client lacks, which library they need, and how to build it again", () => {
    for (const client of [{ features: ["snappy", "lz4", "ssl"] }, { RdKafka: { features: ["snappy", "lz4"] } }]) {
      const said = saidOf(built(client));
      expect(said).to.have.length(1);
      expect(said[0]).to.match(
        /by snappy, lz4; not by gzip, zstd, which needs zlib1g-dev, libzstd-dev .*pnpm.* install/,
      );
    }
  });

  it("says no more than the codecs of a client that has all", () => {
    const [said] = saidOf(built({ features: ["zstd", "gzip", "lz4", "snappy"] }));
    expect(said).to.match(/compressed by gzip, snappy, lz4, zstd$/);
  });

  it("ends with that line about the client that was compiled", () => {
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: { readonly postinstall: string } };
    expect(scripts.postinstall).to.equal("node scripts/install.mjs");
    const { features } = createRequire(import.meta.url)("node-rdkafka") as { readonly features: readonly string[] };
    const [said] = saidOf();
    expect(/; not by .*zstd/.test(said ?? "")).to.equal(!features.includes("zstd"));
  });

  it("says of a failed build what is missing, and what to install", () => {
    for (const [said, remedy] of [
      ["gyp ERR! find Python You need to install the latest version", /python3/],
      ["gyp ERR! stack Error: not found: make", /install make/],
      ["make: g++: No such file or directory", /build-essential/],
      ["gyp ERR! stack FetchError: getaddrinfo EAI_AGAIN nodejs.org", /npm_config_nodedir/],
    ] as const)
      expect(remedyFor(said)).to.match(remedy);
    expect(remedyFor("error: expected ';'")).to.equal(undefined);
  });

  it("follows a sentence of the README that names the library", () => {
    const readme = read("README.md");
    const named = readme.indexOf("`libzstd-dev`");
    expect(named).to.be.greaterThan(0).and.lessThan(readme.indexOf("npx --yes pnpm"));
  });
});
