// The picture of the connector's rooms in docs/ARCHITECTURE.md, made from the imports: `node --import=tsx scripts/rooms.ts`.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(import.meta.dirname, "..");
const sources = join(root, "packages/kafka/src");
const PAGE = join(root, "docs/ARCHITECTURE.md");

/** What the folders are called in the picture; within some of them nobody needs to look. */
const roomOf = (path: string): string => {
  const folder = dirname(path.slice(sources.length + 1));
  if (folder === ".") return "the factories";
  if (folder === "consumer") return "consumer/session";
  return folder.startsWith("ledger") ? "ledger" : folder;
};

const importsOf = (path: string): readonly string[] =>
  [...readFileSync(path, "utf8").matchAll(/from "(\.[^"]+)\.js"/g)].map(
    ([, to]) => `${join(dirname(path), to as string)}.ts`,
  );

/** Which room imports from which. */
export const arrows = (): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, Set<string>>();
  for (const name of readdirSync(sources, { recursive: true, encoding: "utf8" }).sort()) {
    if (!name.endsWith(".ts")) continue;
    const path = join(sources, name);
    const room = roomOf(path);
    const reached = found.get(room) ?? new Set<string>();
    found.set(room, reached);
    for (const to of importsOf(path).map(roomOf)) if (to !== room) reached.add(to);
  }
  return found;
};

/** The arrows that are not implied by others: whoever can go a longer way needs no direct one. */
const direct = (all: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly [string, string])[] => {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...(all.get(from) ?? [])].some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return [...all].flatMap(([from, reached]) =>
    [...reached]
      .filter((to) => ![...reached].some((other) => other !== to && reaches(other, to)))
      .map((to) => [from, to] as const),
  );
};

/** In Mermaid, as it stands in the page. */
export const picture = (): string => {
  const id = (room: string): string => room.replaceAll(/[^a-z]/g, "_");
  const all = arrows();
  const rooms = [...all.keys()].sort().map((room) => `  ${id(room)}["${room}"]`);
  const lines = direct(all)
    .map(([from, to]) => `  ${id(from)} --> ${id(to)}`)
    .sort();
  return ["```mermaid", "flowchart TD", ...rooms, ...lines, "```"].join("\n");
};

export const drawn = /```mermaid\nflowchart TD\n[^`]*```/;

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(
    PAGE,
    readFileSync(PAGE, "utf8").replace(drawn, () => picture()),
  );
