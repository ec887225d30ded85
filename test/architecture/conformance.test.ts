import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "../..");

/** The scenarios that Alpakka's own tests pin down, by family and number; gaps are theirs. */
const SCENARIOS = {
  B: "01-02 05-07 10-15",
  C: "01-15 20-31 35-38 40-51 55",
  D: "01-02 05-08",
  E: "01-17 20",
  G: "01-19",
  K: "01-17 20-21",
  M: "01-08 10-12",
  O: "01-10 20-24",
  P: "01-20 30-39 45-48",
  Q: "01-06 10-20 25-27",
  R: "01-03 05-06 10-11",
  S: "01-14 20-23 30-39 45-47 50-52",
  W: "01-11 20-26 30-33",
  X: "01-08 10-19 25-28 30-32",
} as const;

const idsOf = (family: string, ranges: string): string[] =>
  ranges.split(" ").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => `${family}-${String(from + index).padStart(2, "0")}`);
  });

const ids = Object.entries(SCENARIOS).flatMap(([family, ranges]) => idsOf(family, ranges));

interface Row {
  readonly id: string;
  readonly status: string;
  readonly files: readonly string[];
  readonly note: string;
}

/** A row of one scenario, or of a range of them: `X-01..X-08`. An ID that does not exist stays as it is, and is found. */
const idsOfRow = (cell: string): readonly string[] => {
  const [first = "", last] = cell.split("..");
  if (last === undefined) return [first];
  const [from, to] = [ids.indexOf(first), ids.indexOf(last)];
  return from < 0 || to < from || first[0] !== last[0] ? [cell] : ids.slice(from, to + 1);
};

const rows: readonly Row[] = readFileSync(join(root, "docs/conformance.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| [A-Z]-\d/.test(line))
  .flatMap((line) => {
    const [id = "", , status = "", tested = "", note = ""] = line
      .slice(1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    const files = [...tested.matchAll(/`([^`]+)`/g)].map(([, file]) => file as string);
    return idsOfRow(id).map((each) => ({ id: each, status, files, note }));
  });

const testsBelow = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => `${folder}/${path}`);

const tests = ["test", ...readdirSync(join(root, "packages")).map((name) => `packages/${name}/test`)].flatMap(
  testsBelow,
);

/** `conformance/sources` stands for that file below `test/` of some package, `test/broker/copy` for one of the whole. */
const pathsOf = (file: string): readonly string[] =>
  tests.filter((path) => path.replace(/^packages\/[^/]+\/test\//, "") === `${file}.test.ts`);

const HEAD = /^[A-Z]-\d\d(?:,? [A-Z]-\d\d)*(?![\w.])/;

/** The IDs at the beginning of titles; they may stand in a table of cases, so every text of the file is looked at. */
const idsInTitles = (path: string): ReadonlySet<string> => {
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node)) {
      for (const id of HEAD.exec(node.text)?.[0].match(/[A-Z]-\d\d/g) ?? []) found.add(id);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(join(root, path), "utf8"), ts.ScriptTarget.ES2022));
  return found;
};

const titled: ReadonlyMap<string, ReadonlySet<string>> = new Map(tests.map((path) => [path, idsInTitles(path)]));

const isTested = ({ status }: Row): boolean => status === "passes" || status === "differs";

describe("docs/conformance.md", () => {
  it("has one row for each scenario, and none for another", () => {
    const listed = rows.map(({ id }) => id);
    expect(
      ids.filter((id) => !listed.includes(id)),
      "without a row",
    ).to.deep.equal([]);
    expect(
      listed.filter((id) => !ids.includes(id)),
      "unknown",
    ).to.deep.equal([]);
    expect(
      listed.filter((id, index) => listed.indexOf(id) !== index),
      "twice",
    ).to.deep.equal([]);
  });

  it("says of each scenario how it stands, and why where it is not tested or differs", () => {
    const known = ["passes", "differs", "later", "absent"];
    expect(rows.filter(({ status }) => !known.includes(status))).to.deep.equal([]);
    expect(rows.filter(({ status, note }) => status !== "passes" && note === "")).to.deep.equal([]);
    expect(rows.filter((row) => isTested(row) !== row.files.length > 0)).to.deep.equal([]);
  });

  it("names tests that exist, one of which begins with the scenario's ID", () => {
    const missing = rows.flatMap(({ id, files }) =>
      files.filter((file) => pathsOf(file).length === 0).map((file) => `${id}: there is no ${file}.test.ts`),
    );
    expect(missing).to.deep.equal([]);
    const untitled = rows
      .filter(isTested)
      .filter(({ id, files }) => !files.flatMap(pathsOf).some((path) => titled.get(path)?.has(id)))
      .map(({ id, files }) => `${id}: begin the title of its test in ${files.join(", ")} with it`);
    expect(untitled).to.deep.equal([]);
  });

  it("has a row that says tested for each ID at the beginning of a test's title", () => {
    const tested = new Set(rows.filter(isTested).map(({ id }) => id));
    const stray = [...titled].flatMap(([path, found]) =>
      [...found].filter((id) => !tested.has(id)).map((id) => `${path}: list ${id} as tested there`),
    );
    expect(stray).to.deep.equal([]);
  });
});
