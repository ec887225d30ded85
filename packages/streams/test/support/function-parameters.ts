import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const SRC = join(import.meta.dirname, "../../src");

const parsed = (path: string): ts.SourceFile =>
  ts.createSourceFile(path, readFileSync(join(SRC, path), "utf8"), ts.ScriptTarget.Latest);

/** What a parameter may be besides a function or a value: options, some of which are functions. */
const OPTIONS: ReadonlyMap<string, ts.InterfaceDeclaration> = new Map(
  readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => parsed(path).statements.filter(ts.isInterfaceDeclaration))
    .filter(({ name }) => /Options$|^Logger$/.test(name.text))
    .map((declared) => [declared.name.text, declared]),
);

const textOf = (name: ts.Node): string => (ts.isIdentifier(name) ? name.text : "");

/** Paths of the functions in a type, which stands at `path`. */
const functionsIn = (type: ts.TypeNode, path: string): readonly string[] => {
  if (ts.isFunctionTypeNode(type)) return [path];
  if (ts.isTypeLiteralNode(type)) return membersOf(type.members, path);
  if (!ts.isTypeReferenceNode(type)) return [];
  const options = OPTIONS.get(textOf(type.typeName));
  return options ? membersOf(options.members, path) : [];
};

const membersOf = (members: readonly ts.TypeElement[], path: string): readonly string[] => {
  if (members.some(ts.isMethodSignature)) return [path];
  return members
    .filter(ts.isPropertySignature)
    .flatMap(({ name, type }) => (type ? functionsIn(type, `${path}.${textOf(name)}`) : []));
};

/** Every function that a public method of a class takes, as `method.parameter` or `method.options.name`. */
export const functionParametersOf = (path: string, className: string): readonly string[] => {
  const declared = parsed(path).statements.find(
    (each): each is ts.ClassDeclaration => ts.isClassDeclaration(each) && each.name?.text === className,
  );
  const methods = declared?.members.filter(ts.isMethodDeclaration) ?? [];
  const names = methods
    .filter((method) => !method.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ProtectedKeyword))
    .flatMap(({ name, parameters }) =>
      parameters.flatMap((each) =>
        each.type
          ? functionsIn(each.type, `${textOf(name)}.${ts.isIdentifier(each.name) ? each.name.text : "options"}`)
          : [],
      ),
    );
  return [...new Set(names)];
};
