import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect } from "chai";
import ts from "typescript";
import { pages, root, snippetsOf } from "./support/snippets.js";

const INDEX = join(root, "packages/kafka/src/index.ts");

/** What needs no example of its own, or whose like has one. */
const WITHOUT = new Set([
  "bytes",
  "byPartition",
  "silentLogger",
  "rdkafkaDriver",
  "confluentDriver",
  "runsOf",
  "attempt",
  "groupByPartitionWithContext",
  "plainPartitionedSource",
  "committablePartitionedManualOffsetSource",
]);

/** Without comments, and without what a formatter may change. */
const bare = (code: string): string => code.replaceAll(/ \/\/ .*$|\/\/ .*$/gm, "").replaceAll(/\s+/g, "");

const parsed = (path: string): ts.SourceFile =>
  ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true);

const docsOf = (node: ts.Node | undefined): string => (node && ts.getJSDocCommentsAndTags(node)[0]?.getText()) ?? "";

/** The docstrings of an exported name of a file: its own or, of a class, those of its static methods. */
const docsIn = (path: string, name: string): readonly string[] =>
  parsed(path).statements.flatMap((statement) => {
    if (ts.isFunctionDeclaration(statement) && statement.name?.text === name)
      return [docsOf(statement)].filter(Boolean);
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.some((each) => each.name.getText() === name)
        ? [docsOf(statement)]
        : [];
    if (!ts.isClassDeclaration(statement) || statement.name?.text !== name) return [];
    return statement.members
      .filter((each) => ts.isMethodDeclaration(each) && /^(create|open)$/.test(each.name.getText()))
      .map(docsOf);
  });

/** The values that the connector exports, with the file each is in. */
const exported = parsed(INDEX).statements.flatMap((statement) => {
  if (!ts.isExportDeclaration(statement) || statement.isTypeOnly || !statement.moduleSpecifier) return [];
  const path = resolve(dirname(INDEX), (statement.moduleSpecifier as ts.StringLiteral).text.replace(/\.js$/, ".ts"));
  const { elements } = statement.exportClause as ts.NamedExports;
  return elements.filter((each) => !each.isTypeOnly).map((each) => ({ name: each.name.text, path }));
});

const exampleIn = (docs: string): string | undefined =>
  /@example\n([\s\S]*?)\n\s*\*\/$/.exec(docs)?.[1]?.replaceAll(/^\s*\* ?/gm, "");

describe("the examples that are shown where the connector's names are hovered", () => {
  const code = bare(
    pages()
      .flatMap(snippetsOf)
      .map((snippet) => snippet.code)
      .join("\n"),
  );
  const withDocs = exported.flatMap(({ name, path }) => docsIn(path, name).map((docs) => ({ name, docs })));

  it("are there for every factory", () => {
    expect(withDocs.length).to.be.greaterThan(25);
    const lacking = withDocs.filter(({ name, docs }) => !WITHOUT.has(name) && exampleIn(docs) === undefined);
    expect(lacking.map(({ name }) => name)).to.deep.equal([]);
    expect([...WITHOUT].filter((each) => !withDocs.some(({ name }) => name === each))).to.deep.equal([]);
  });

  for (const { name, docs } of withDocs) {
    const example = exampleIn(docs);
    if (example !== undefined)
      it(`stand in a page, which is compiled and run: ${name}`, () => expect(code).to.include(bare(example)));
  }
});
