import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { expect } from "chai";
import { pages, root } from "./support/snippets.js";

const withoutCode = (text: string): string => text.replaceAll(/^```.*?^```/gms, "");

/** As GitHub names the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");

const anchorsIn = (page: string): readonly string[] =>
  [...withoutCode(readFileSync(page, "utf8")).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    anchorOf(heading.trim()),
  );

/** Why a link of a page leads nowhere; `undefined` where it leads somewhere, or away from this repository. */
const faultOf = (page: string, link: string): string | undefined => {
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : resolve(dirname(page), path);
  if (!existsSync(target)) return "there is no such file";
  if (anchor === undefined || !target.endsWith(".md")) return undefined;
  return anchorsIn(target).includes(anchor) ? undefined : "there is no such heading";
};

describe("the links of the pages", () => {
  it("lead somewhere", () => {
    const faults = pages().flatMap((page) =>
      [...withoutCode(readFileSync(page, "utf8")).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
        const fault = faultOf(page, link);
        return fault === undefined ? [] : [`${relative(root, page)}: ${link}: ${fault}`];
      }),
    );
    expect(faults).to.deep.equal([]);
  });
});
