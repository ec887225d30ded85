import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

export const root: string = resolve(import.meta.dirname, "../../..");

/** A fenced ```ts block of a page. */
export interface Snippet {
  /** Page and line, as an editor opens it. */
  readonly place: string;
  readonly code: string;
  /** Where its first line, a comment, is the name of a file, as where others import it. */
  readonly file: string | undefined;
  /** `run`: compared with what it prints; `check`: compiled only; `signature`: checked by `scripts/check-surface.ts`. */
  readonly kind: "run" | "check" | "signature";
  /** The text block right behind the code; absent unless `run`. */
  readonly prints: string | undefined;
}

const markdownIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => join(folder, name));

/** Every page whose code is held to work. */
export const pages = (): readonly string[] =>
  [
    ...readdirSync(root)
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(root, name)),
    ...markdownIn(join(root, "docs")),
    ...markdownIn(join(root, "packages")),
  ].sort();

const FENCED = /^```ts(?<info>[^\n]*)\n(?<code>.*?)^```\n(?:\s*(?:Prints:?\s*)?^```text\n(?<prints>.*?)^```$)?/gms;

const kindOf = (info: string, place: string, prints: string | undefined): Snippet["kind"] => {
  if (info === "signature") return "signature";
  if (info === "no-run") return "check";
  if (info !== "") throw new Error(`${place}: write \`\`\`ts, \`\`\`ts no-run or \`\`\`ts signature, not "${info}"`);
  if (prints === undefined) {
    throw new Error(`${place}: put what the snippet prints into a \`\`\`text block right behind it, or mark it no-run`);
  }
  return "run";
};

export const snippetsOf = (page: string): readonly Snippet[] => {
  const text = `${readFileSync(page, "utf8")}\n`;
  return [...text.matchAll(FENCED)].map((match) => {
    const place = `${relative(root, page)}:${text.slice(0, match.index).split("\n").length}`;
    const { info = "", code = "", prints } = match.groups ?? {};
    const file = /^\/\/ ([\w.-]+\.ts)\n/.exec(code)?.[1];
    return { place, code, file, prints, kind: kindOf(info.trim(), place, prints) };
  });
};
