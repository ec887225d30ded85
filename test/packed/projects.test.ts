import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { root, snippetsOf } from "../docs/support/snippets.js";
import { Installed } from "./support/install.js";

/** How a project names the way in which it finds packages. */
const RESOLUTIONS = {
  node16: { module: "node16" },
  nodenext: { module: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
  node10: { module: "esnext", moduleResolution: "node" },
} as const;

const COMPILERS = {
  "5.4": { name: "typescript-oldest", options: {} },
  "6.0": { name: "typescript", options: { ignoreDeprecations: "6.0" } },
  "7.0": { name: "typescript-newest", options: {} },
} as const;

/** Left out of the compiler. */
const isGone = (version: string, resolution: string): boolean => version === "7.0" && resolution === "node10";

/** The packages as they would be published, in projects as users have them. */
describe("a blank project", function () {
  this.timeout(120_000);
  let installed: Installed;
  let folder: string;

  before(() => (installed = new Installed()));
  after(() => rmSync(installed.folder, { recursive: true, force: true }));
  beforeEach(function () {
    // Inside, so that it finds the packages, and with a package.json of its own.
    folder = join(installed.folder, `project-${this.currentTest?.title.replaceAll(/\W+/g, "-")}`);
    mkdirSync(folder);
  });

  const node = (...args: readonly string[]): { readonly status: number | null; readonly said: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    return { status, said: `${stdout}${stderr}` };
  };
  const write = (name: string, content: string | object): void =>
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));

  for (const [version, { name, options }] of Object.entries(COMPILERS)) {
    for (const [resolution, found] of Object.entries(RESOLUTIONS)) {
      if (isGone(version, resolution)) continue;
      it(`compiles the README's code by TypeScript ${version} as ${resolution}`, () => {
        const { code = "" } = snippetsOf(join(root, "README.md"))[0] ?? {};
        // Old resolvers find what lies beside the package's own entry, too.
        const stage = 'import { soon } from "@millrace/streams/stage";\nvoid soon;\n';
        write("package.json", { type: "module" });
        write("main.ts", `${code}${stage}`);
        const compilerOptions = {
          ...found,
          target: "es2022",
          esModuleInterop: true,
          strict: true,
          noEmit: true,
          types: ["node"],
        };
        const typeRoots = [join(root, "node_modules/@types")];
        write("tsconfig.json", {
          compilerOptions: { ...compilerOptions, typeRoots, ...(resolution === "node10" && options) },
          files: ["main.ts"],
        });
        const { status, said } = node(join(root, "node_modules", name, "bin/tsc"));
        expect(status, said.slice(0, 2000)).to.equal(0);
      });
    }
  }

  it("of CommonJS gets the packages by require", () => {
    write("package.json", {});
    write(
      "main.js",
      `const { Source, Sink } = require("@millrace/streams");
       const { committerSink } = require("@millrace/kafka");
       const { checkDelivery } = require("@millrace/kafka-testkit");
       Source.from([1, 2]).map((n) => n + 1).runWith(Sink.toArray())
         .then((all) => console.log(all.join(), typeof committerSink, typeof checkDelivery));`,
    );
    expect(node("main.js")).to.deep.equal({ status: 0, said: "2,3 function function\n" });
  });
});
