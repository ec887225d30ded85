import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { arrows, drawn, picture } from "../../scripts/rooms.js";

const root = join(import.meta.dirname, "../..");

describe("the rooms of the connector", () => {
  it("stand in docs/ARCHITECTURE.md as they are: node --import=tsx scripts/rooms.ts", () => {
    const [shown] = drawn.exec(readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8")) ?? [];
    expect(shown).to.equal(picture());
  });

  it("have no way round: none is reached from a room that it reaches", () => {
    const all = arrows();
    const reached = (from: string, seen: Set<string>): ReadonlySet<string> => {
      for (const to of all.get(from) ?? []) if (!seen.has(to)) reached(to, seen.add(to));
      return seen;
    };
    expect([...all.keys()].filter((room) => reached(room, new Set()).has(room))).to.deep.equal([]);
  });

  it("leave at most 14 files to the root, which are what users name", () => {
    const files = readdirSync(join(root, "packages/kafka/src")).filter((name) => name.endsWith(".ts"));
    expect(files.length, files.join()).to.be.at.most(14);
  });
});
