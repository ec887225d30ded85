import ts from "typescript";

/** One small change of a source, which a test should notice. */
export interface Mutation {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** From 1. */
  readonly line: number;
  /** What was, and what is now, for a reader. */
  readonly change: string;
  /** The line of the source, trimmed: what a judgement is kept by, since numbers of lines move. */
  readonly source: string;
}

const K = ts.SyntaxKind;

const OPERATORS = new Map<ts.SyntaxKind, string>([
  [K.LessThanToken, "<="],
  [K.LessThanEqualsToken, "<"],
  [K.GreaterThanToken, ">="],
  [K.GreaterThanEqualsToken, ">"],
  [K.EqualsEqualsEqualsToken, "!=="],
  [K.ExclamationEqualsEqualsToken, "==="],
  [K.AmpersandAmpersandToken, "||"],
  [K.BarBarToken, "&&"],
  [K.PlusToken, "-"],
  [K.MinusToken, "+"],
  [K.PlusEqualsToken, "-="],
  [K.MinusEqualsToken, "+="],
]);

/** Texts for people, and what only reads them: no test should hold each word of a message. */
const isForPeople = (node: ts.Node): boolean =>
  ts.isThrowStatement(node) ||
  (ts.isNewExpression(node) && /Error$/.test(node.expression.getText())) ||
  (ts.isCallExpression(node) && /\b(logger|log)\b.*\.(debug|info|warn|error)$/.test(node.expression.getText())) ||
  ts.isTemplateExpression(node) ||
  ts.isImportDeclaration(node) ||
  ts.isTypeNode(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node);

const isText = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right)));

/** An expression for its effect: without it something is not done. */
const isEffect = (node: ts.Node): node is ts.ExpressionStatement => {
  if (!ts.isExpressionStatement(node)) return false;
  const { expression } = node;
  if (ts.isCallExpression(expression)) return expression.expression.kind !== K.SuperKeyword && !isForPeople(expression);
  return !ts.isStringLiteral(expression);
};

/** Every change that can be made of a source. */
export const mutationsOf = (path: string, text: string): readonly Mutation[] => {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lines = text.split("\n");
  const found: Mutation[] = [];
  const add = (node: ts.Node, replacement: string): void => {
    const start = node.getStart(file);
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    const was = node.getText(file).replace(/\s+/g, " ");
    const change = `${was.length > 60 ? `${was.slice(0, 60)}…` : was} → ${replacement === "" ? "nothing" : replacement}`;
    found.push({ path, start, end: node.end, replacement, line, change, source: (lines[line - 1] ?? "").trim() });
  };
  const look = (node: ts.Node): void => {
    if (isForPeople(node)) return;
    if (ts.isBinaryExpression(node) && !isText(node)) {
      const other = OPERATORS.get(node.operatorToken.kind);
      if (other !== undefined) add(node.operatorToken, other);
    }
    if (ts.isIfStatement(node) || ts.isConditionalExpression(node)) {
      const condition = ts.isIfStatement(node) ? node.expression : node.condition;
      add(condition, "true");
      add(condition, "false");
    }
    if (ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken) add(node, node.operand.getText(file));
    if (node.kind === K.TrueKeyword) add(node, "false");
    if (node.kind === K.FalseKeyword) add(node, "true");
    if (ts.isNumericLiteral(node)) add(node, String(Number(node.text.replaceAll("_", "")) + 1));
    if (isEffect(node)) add(node, ";");
    ts.forEachChild(node, look);
  };
  look(file);
  return found;
};

/** A function with a body, counted over all sources. */
export interface Reachable {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** The source in which each function tells that it was reached, and those functions, the first of them numbered `first`. */
export const tellingReach = (path: string, text: string, first: number): { text: string; functions: Reachable[] } => {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const functions: Reachable[] = [];
  const inserts: { readonly at: number; readonly text: string }[] = [];
  const look = (node: ts.Node): void => {
    const body = ts.isFunctionLike(node) && "body" in node ? node.body : undefined;
    if (body !== undefined) {
      const tell = `globalThis.__reached?.(${first + functions.length})`;
      functions.push({ path, start: node.getStart(file), end: node.end });
      const start = body.getStart(file);
      if (ts.isBlock(body)) inserts.push({ at: start + 1, text: `${tell};` });
      else inserts.push({ at: start, text: `(${tell}, ` }, { at: body.end, text: ")" });
    }
    ts.forEachChild(node, look);
  };
  look(file);
  // From the end, so that places before stay.
  const told = inserts
    .sort((one, other) => other.at - one.at)
    .reduce((whole, { at, text: piece }) => whole.slice(0, at) + piece + whole.slice(at), text);
  return { text: told, functions };
};
