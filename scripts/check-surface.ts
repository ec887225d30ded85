import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

const root = resolve(import.meta.dirname, "..");
const streams = join(root, "packages/streams");

const SKIPPED_FOLDERS = new Set(["node_modules", "dist", ".git", ".cache", "coverage"]);

const walk = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : walk(path);
        return entry.isFile() ? [path] : [];
      })
    : [];

const typescriptIn = (...folders: string[]): string[] =>
  folders.flatMap((folder) => walk(join(root, folder))).filter((path) => path.endsWith(".ts"));

const packagesWith = (folder: string): string[] =>
  readdirSync(join(root, "packages")).map((name) => join("packages", name, folder));

const text = (path: string): string => readFileSync(path, "utf8");
const name = (path: string): string => relative(root, path);
const parse = (path: string): ts.SourceFile => ts.createSourceFile(path, text(path), ts.ScriptTarget.ES2022, true);

const kebab = (camel: string): string => camel.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A public operator, or a static factory of `Source` or `Sink`. */
export interface SurfaceMember {
  readonly name: string;
  /** What the page shows: the declaration as users of `Source` see it. */
  readonly signature: string;
  /** What an editor shows when the name is hovered. */
  readonly docs: string;
  /** Relative to the root. */
  readonly page: string;
  readonly test: string;
}

/** Which stage file each imported name comes from, as `<family>/<file>`. */
const stageImports = (file: ts.SourceFile): ReadonlyMap<string, string> =>
  new Map(
    file.statements.filter(ts.isImportDeclaration).flatMap((statement) => {
      const from = (statement.moduleSpecifier as ts.StringLiteral).text;
      const bindings = statement.importClause?.namedBindings;
      if (!from.startsWith("./stages/") || !bindings || !ts.isNamedImports(bindings)) return [];
      const stage = from.slice("./stages/".length).replace(/\.js$/, "");
      return bindings.elements.map((element) => [element.name.text, stage] as const);
    }),
  );

const stageOf = (member: ts.Node, imports: ReadonlyMap<string, string>): string | undefined => {
  if (ts.isIdentifier(member) && imports.has(member.text)) return imports.get(member.text);
  return ts.forEachChild(member, (child) => (ts.isTypeNode(child) ? undefined : stageOf(child, imports)));
};

const signature = (member: ts.ClassElement): string => {
  const body = ts.isMethodDeclaration(member) ? member.body : (member as ts.PropertyDeclaration).initializer;
  const file = member.getSourceFile();
  return file.text
    .slice(member.getStart(), body?.getStart() ?? member.end)
    .replace(/^static (readonly )?/, "")
    .replaceAll(/Apply<(K|Parent), /g, "Source<")
    .replaceAll(/\s+/g, " ")
    .replaceAll("( ", "(")
    .replaceAll(/,? \)/g, ")")
    .replace(/[\s;={]+$/, "");
};

const modifiers = (member: ts.ClassElement): ts.SyntaxKind[] =>
  (ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : []).map((modifier) => modifier.kind);

const membersOf = (fileName: string, className: string, prefix: string): SurfaceMember[] => {
  const file = parse(join(streams, "src", fileName));
  const imports = stageImports(file);
  const declared = file.statements.find((each) => ts.isClassDeclaration(each) && each.name?.text === className);
  const members = (declared as ts.ClassDeclaration).members.filter((member) => {
    const has = modifiers(member);
    if (has.includes(ts.SyntaxKind.ProtectedKeyword) || has.includes(ts.SyntaxKind.AbstractKeyword)) return false;
    return prefix === "" ? ts.isMethodDeclaration(member) : has.includes(ts.SyntaxKind.StaticKeyword);
  });
  const names = new Set(members.map((member) => member.name?.getText() ?? ""));
  names.delete("fromStage");
  return [...names].map((member) => {
    const declarations = members.filter((each) => each.name?.getText() === member);
    const own = declarations.map((each) => stageOf(each, imports)).find((each) => each !== undefined);
    const stage = member === "mergeSubstreams" ? "substream/group-by" : own;
    const overloads = declarations.filter((each) => ts.isMethodDeclaration(each) && !each.body);
    return {
      name: `${prefix}${member}`,
      signature: (overloads.length > 0 ? overloads : declarations).map(signature).join("\n"),
      docs: (declarations[0] && ts.getJSDocCommentsAndTags(declarations[0])[0]?.getText()) ?? "",
      page: `docs/operators/${stage ? dirname(stage) : "graph"}/${kebab(member)}.md`,
      test: `packages/streams/test/${stage ? `stages/${stage}` : "surface/composition"}.test.ts`,
    };
  });
};

/** Every operator, and every factory of `Source` and `Sink`. */
export const surface = (): readonly SurfaceMember[] => [
  ...membersOf("operators.ts", "Operators", ""),
  ...membersOf("operators.ts", "Substreams", ""),
  ...membersOf("source.ts", "Source", "Source."),
  ...membersOf("sink.ts", "Sink", "Sink."),
];

/** What `judge` says of the nodes of a file, given their length in lines, with where they are. */
const nodes =
  (judge: (node: ts.Node, lines: number) => string | undefined) =>
  (path: string): string[] => {
    const file = parse(path);
    const line = (at: number): number => file.getLineAndCharacterOfPosition(at).line + 1;
    const found: string[] = [];
    const visit = (each: ts.Node): void => {
      const first = line(each.getStart());
      const said = judge(each, line(each.end) - first + 1);
      if (said !== undefined) found.push(`${name(path)}:${first}: ${said}`);
      ts.forEachChild(each, visit);
    };
    visit(file);
    return found;
  };

const functionsOver = (limit: number): ((path: string) => string[]) =>
  nodes((node, lines) =>
    ts.isFunctionLike(node) && "body" in node && node.body && lines > limit
      ? `a function of ${lines} lines; split it below ${limit}`
      : undefined,
  );

/** A long class is split, or its comment has a sentence that begins with "Long". */
const classesOver = (limit: number): ((path: string) => string[]) =>
  nodes((node, lines) => {
    if (!ts.isClassDeclaration(node) || lines <= limit) return undefined;
    const comment = node.getFullText().slice(0, node.getStart() - node.getFullStart());
    return /\bLong: /.test(comment) ? undefined : `a class of ${lines} lines; split it, or say why it is "Long"`;
  });

/** See "Words" in CONTRIBUTING.md. */
const NOT_SAID =
  /\b(told|untold|astray|incarnations?|cells?|in peace|comes? of (it|that|them)|followed (surface|sources?))\b/i;

/** Of what users do not see: a part with more has become a corridor. */
const optionsOver = (limit: number): ((path: string) => string[]) =>
  nodes((node) =>
    ts.isInterfaceDeclaration(node) && /(Options|Context)$/.test(node.name.text) && node.members.length > limit
      ? `${node.name.text} has ${node.members.length} fields; what belongs together is one of them`
      : undefined,
  );

const importersOf = (module: string, folder: string): string[] =>
  typescriptIn(folder).filter((path) => new RegExp(`(from|import|require)\\s*\\(?\\s*"${module}"`).test(text(path)));

const shown = (page: string): string =>
  [...page.matchAll(/^```ts signature\n(.*?)^```$/gms)].map((match) => match[1]?.trim()).join("\n");

/** The example of a page as a hover shows it: without imports, and with what it prints; the page's own is run. */
export const hoverOf = (page: string): string => {
  const [, code = "", prints = ""] = /^```ts\n(.*?)^```\n+```text\n(.*?)^```$/ms.exec(page) ?? [];
  const lines = code.replaceAll(/^import [^;]*;\n/gm, "").split("\n");
  const printed = prints
    .trimEnd()
    .split("\n")
    .map((line) => `// ${line}`);
  return ["@example", ...lines.filter((line) => line.trim() !== ""), ...printed]
    .map((line) => `   * ${line}\n`)
    .join("");
};

/** The names in the first column of the table below a heading of the page on streams with context. */
const listedUnder = (heading: string): readonly string[] => {
  const page = text(join(root, "docs/operators/graph/with-context.md"));
  const section = page.split(/^## /m).find((each) => each.startsWith(heading)) ?? "";
  const cells = section.split("\n").flatMap((line) => (line.startsWith("| `") ? [line.split("|")[1] ?? ""] : []));
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map((match) => match[1] as string));
};

/** Every operator has to say what becomes of a claim, or why it cannot. */
const contextGaps = (): readonly string[] => {
  const named = (file: string, ...classes: string[]): readonly string[] =>
    classes.flatMap((each) => membersOf(file, each, "").map((member) => member.name));
  const plain = named("operators.ts", "Operators", "Substreams");
  const followed = named("with-context/operators.ts", "OperatorsWithContext", "SubstreamsWithContext");
  const explained = listedUnder("What becomes of a claim");
  const leftOut = listedUnder("Left out");
  return [
    ...plain
      .filter((each) => followed.includes(each) === leftOut.includes(each))
      .map((each) => `${each}: put it on OperatorsWithContext, or give the reason under "Left out", one of both`),
    ...followed
      .filter((each) => !explained.includes(each))
      .map((each) => `${each}: say under "What becomes of a claim" what it does to one`),
    ...[...explained, ...leftOut]
      .filter((each) => !plain.includes(each) && !followed.includes(each))
      .map((each) => `${each}: there is no such operator; strike it from docs/operators/graph/with-context.md`),
  ];
};

/** Each rule by its name, with what breaks it. */
export const checks: Readonly<Record<string, () => readonly string[]>> = {
  "every operator and factory has a test file": () =>
    surface()
      .filter((member) => !existsSync(join(root, member.test)))
      .map((member) => `${member.name}: write ${member.test}`),
  "every operator and factory has a page": () =>
    surface()
      .filter((member) => !existsSync(join(root, member.page)))
      .map((member) => `${member.name}: write ${member.page}`),
  "every page shows the signature of the code": () =>
    surface()
      .filter((member) => existsSync(join(root, member.page)))
      .filter((member) => shown(text(join(root, member.page))) !== member.signature)
      .map((member) => `${member.page}: put this into its signature block:\n${member.signature}`),
  "every operator and factory shows its page's example where it is hovered": () =>
    surface()
      .filter((member) => existsSync(join(root, member.page)))
      .filter((member) => !member.docs.includes(hoverOf(text(join(root, member.page)))))
      .map(
        (member) => `${member.name}: put this at the end of its docstring:\n${hoverOf(text(join(root, member.page)))}`,
      ),
  "every operator's page says what it is for in a pipeline, and what becomes of the offset": () =>
    surface()
      .filter((member) => !/^(Source|Sink)\./.test(member.name) && existsSync(join(root, member.page)))
      .flatMap((member) =>
        ["In a pipeline", "Offset, following", "Offset, carried"]
          .filter((row) => !text(join(root, member.page)).includes(`\n| ${row} | `))
          .map((row) => `${member.page}: say "${row}" in its table`),
      ),
  "every page is listed in the index": () => {
    const index = text(join(root, "docs/operators/README.md"));
    return walk(join(root, "docs/operators"))
      .map((path) => relative(join(root, "docs/operators"), path))
      .filter((path) => path !== "README.md" && !index.includes(`(${path})`))
      .map((path) => `docs/operators/README.md: list ${path}`);
  },
  "every operator is on streams with context, or is left out for a reason": contextGaps,
  "no file is longer than 400 lines (operators.ts, much of it examples: 1000)": () =>
    typescriptIn("packages", "examples", "benchmarks", "test", "scripts")
      .map((path) => ({ path, lines: text(path).split("\n").length - 1 }))
      .filter(({ path, lines }) => lines > (path.endsWith("/src/operators.ts") ? 1000 : 400))
      .map(({ path, lines }) => `${name(path)}: ${lines} lines`),
  "no function is longer than 60 lines": () =>
    typescriptIn(...packagesWith("src"), "examples", "scripts")
      .filter((path) => !path.endsWith(".test.ts"))
      .flatMap(functionsOver(60)),
  "a class of more than 250 lines says why": () => typescriptIn(...packagesWith("src")).flatMap(classesOver(250)),
  "no part of the connector takes more than 8 options": () =>
    typescriptIn("packages/kafka/src").flatMap(optionsOver(8)),
  "sources have no words that readers stumble over": () =>
    typescriptIn(...packagesWith("src")).flatMap((path) =>
      text(path)
        .split("\n")
        .flatMap((line, index) => {
          const word = NOT_SAID.exec(line)?.[0];
          return word === undefined ? [] : [`${name(path)}:${index + 1}: say "${word}" more plainly`];
        }),
    ),
  "nothing is exported wholesale": () =>
    typescriptIn("packages", "examples", "benchmarks", "test", "scripts")
      .filter((path) => /^export \*/m.test(text(path)))
      .map((path) => `${name(path)}: name what it exports`),
  "node-rdkafka is imported in one file per package": () =>
    ["packages/kafka/src", "packages/kafka-testkit/src"]
      .map((folder) => ({ folder, files: importersOf("node-rdkafka", folder).map(name) }))
      .filter(({ files }) => files.length > 1)
      .map(({ folder, files }) => `${folder}: ${files.join(", ")}`),
  "the streams need nothing but the language": () => [
    ...typescriptIn("packages/streams/src")
      .filter((path) => /from "(?!\.)/.test(text(path)))
      .map((path) => `${name(path)}: imports a module that is not its own`),
    ...["dependencies", "peerDependencies", "optionalDependencies"]
      .filter((key) => key in JSON.parse(text(join(streams, "package.json"))))
      .map((key) => `packages/streams/package.json: has ${key}`),
  ],
  "no file names a path of one machine": () => {
    const machine = new RegExp(["", "work", ""].join("/") + String.raw`|/\.` + "library" + String.raw`\b`);
    return walk(root)
      .filter((path) => /\.(ts|mjs|cjs|js|json|md|ya?ml|sh)$/.test(path) && machine.test(text(path)))
      .map(name);
  },
};
