import { expect } from "chai";
import { checks } from "../../scripts/check-surface.js";

describe("the rules of the repository", () => {
  for (const [rule, broken] of Object.entries(checks)) {
    it(rule, () => expect(broken()).to.deep.equal([]));
  }
});
