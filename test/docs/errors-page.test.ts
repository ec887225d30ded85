import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { MENDS } from "../../packages/kafka/src/restarting/mending.js";
import { root } from "./support/snippets.js";

const WORDS: Readonly<Record<string, string>> = { true: "yes", false: "no", lasting: "unless fatal" };

describe("the page of errors", () => {
  const page = readFileSync(join(root, "docs/guide/errors.md"), "utf8");
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)].map(([, code = "", rest = ""]) => ({
    code,
    cells: rest.split("|").map((cell) => cell.trim()),
  }));

  it("has each code once", () => {
    expect(rows.map(({ code }) => code).sort()).to.deep.equal(Object.keys(MENDS).sort());
  });

  it("says of each when it comes, what to do, and whether a restart may mend it", () => {
    for (const { code, cells } of rows) {
      const [when, remedy, mends] = cells;
      expect(cells, code).to.have.length(3);
      expect(when, code).not.to.equal("");
      expect(remedy, code).not.to.equal("");
      expect(mends, code).to.equal(WORDS[String(MENDS[code as keyof typeof MENDS])]);
    }
  });
});
