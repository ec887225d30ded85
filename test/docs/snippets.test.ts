import { expect } from "chai";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import ts from "typescript";
import { pages, root, type Snippet, snippetsOf } from "./support/snippets.js";

const folder = join(root, ".cache", `snippets-${process.pid}`);

/** Inside the repository, so that package names resolve as they do for its own code. */
const fileOf = (snippet: Snippet): string => join(folder, `${snippet.place.replaceAll(/[^\w-]+/g, "_")}.ts`);

/** Compiler messages of all files, each with the page it comes from. */
const compile = (snippets: readonly Snippet[]): readonly string[] => {
  const { config } = ts.readConfigFile(resolve(root, "tsconfig.check.json"), ts.sys.readFile);
  const files = snippets.map(fileOf);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root);
  const places = new Map(snippets.map((snippet) => [fileOf(snippet), snippet.place]));
  return ts.getPreEmitDiagnostics(ts.createProgram(files, options)).map((diagnostic) => {
    const place = places.get(diagnostic.file?.fileName ?? "") ?? diagnostic.file?.fileName ?? "?";
    return `${place}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
  });
};

/** What the snippet hands to `console.log` until its module is evaluated. */
const run = async (snippet: Snippet): Promise<string> => {
  const printed: string[] = [];
  const log = console.log;
  console.log = (...values: unknown[]) => void printed.push(`${format(...values)}\n`);
  try {
    await import(pathToFileURL(fileOf(snippet)).href);
  } finally {
    console.log = log;
  }
  return printed.join("");
};

describe("the code in the pages", () => {
  const snippets = pages()
    .flatMap(snippetsOf)
    .filter((snippet) => snippet.kind !== "signature");

  before(() => {
    mkdirSync(folder, { recursive: true });
    for (const snippet of snippets) writeFileSync(fileOf(snippet), `${snippet.code}\nexport {};\n`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("compiles under the repository's own settings", function () {
    this.timeout(120_000);
    expect(compile(snippets)).to.deep.equal([]);
  });

  for (const snippet of snippets.filter((each) => each.kind === "run")) {
    it(`prints what ${snippet.place} says`, async () => {
      expect(await run(snippet)).to.equal(snippet.prints);
    });
  }
});
