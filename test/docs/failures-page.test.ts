import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { publicSurface } from "./support/public-surface.js";
import { root } from "./support/snippets.js";

describe("the page of failures", () => {
  const page = readFileSync(join(root, "docs/failures.md"), "utf8");
  const sections = new Map(
    page
      .split(/^## @millrace\//m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf("\n")), section]),
  );
  const rowsOf = (section: string): readonly (readonly string[])[] =>
    section
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
  const named = (cell = ""): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

  for (const [name, surface] of publicSurface) {
    describe(`of ${name}`, () => {
      const rows = rowsOf(sections.get(name) ?? "");
      const names = rows.flatMap(([what]) => named(what));

      it("has everything that the package exports, once", () => {
        const rowsFor = (member: string): number =>
          names.filter((each) => each === member || each === `${member.split(".")[0]}.*`).length;
        expect(surface.filter((member) => rowsFor(member) !== 1)).to.deep.equal([]);
      });

      it("names nothing that is not there", () => {
        const isThere = (each: string): boolean =>
          each.endsWith(".*") ? surface.some((member) => member.startsWith(each.slice(0, -1))) : surface.includes(each);
        expect(names.filter((each) => !isThere(each))).to.deep.equal([]);
      });

      it("says of each how it fails and, where it can, where that is seen", () => {
        for (const [what, how = "", where = ""] of rows) {
          expect(how, what).not.to.equal("");
          if (how !== "cannot fail") expect(where, what).not.to.equal("");
        }
      });
    });
  }

  it("names only codes that there are", () => {
    const codes = ["errors", "running"].map((each) => readFileSync(join(root, `docs/guide/${each}.md`), "utf8")).join();
    const told = rowsOf(page).flatMap(([, how, where]) => named(`${how} ${where}`));
    const isKnown = (code: string): boolean => codes.includes(`\`${code}\``);
    const ofTestkit = ["START_FAILED", "NOT_SUPPORTED"];
    expect(
      told.filter((each) => /^[A-Z_]{5,}$/.test(each) && !isKnown(each) && !ofTestkit.includes(each)),
    ).to.deep.equal([]);
  });
});
