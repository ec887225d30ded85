import { expect } from "chai";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import ts from "typescript";
import { compile } from "./support/compile.js";
import { pages, root, type Snippet, snippetsOf } from "./support/snippets.js";

const folder = join(root, ".cache", `snippets-${process.pid}`);

/** Inside the repository, so that package names resolve as they do for its own code. */
const fileOf = (snippet: Snippet): string => join(folder, `${snippet.place.replaceAll(/[^\w-]+/g, "_")}.ts`);

/** Where the compiler takes the snippets to lie: a page may show the example's own code, relative imports and all. */
const example = join(root, "examples/orders/src");

const messages = (snippets: readonly Snippet[]): readonly string[] => {
  const nameOf = (snippet: Snippet): string => snippet.file ?? basename(fileOf(snippet));
  const places = new Map(snippets.map((snippet) => [join(example, nameOf(snippet)), snippet]));
  const files = new Map([...places].map(([path, { code }]) => [path, `${code}\nexport {};\n`]));
  return compile(files).map((diagnostic) => {
    const path = diagnostic.file?.fileName ?? "?";
    return `${places.get(path)?.place ?? path}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`;
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
    for (const snippet of snippets.filter((each) => each.kind === "run"))
      writeFileSync(fileOf(snippet), `${snippet.code}\nexport {};\n`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("compiles under the repository's own settings", function () {
    this.timeout(120_000);
    expect(messages(snippets)).to.deep.equal([]);
  });

  for (const snippet of snippets.filter((each) => each.kind === "run")) {
    it(`prints what ${snippet.place} says`, async () => {
      expect(await run(snippet)).to.equal(snippet.prints);
    });
  }
});
