import { expect } from "chai";
import { toTopicPattern } from "../../../src/client/rdkafka/topic-pattern.js";
import { codeThrownBy } from "./support/errors.js";

describe("toTopicPattern", () => {
  const refused = [
    /a/i,
    /a(?=b)/,
    /a(?!b)/,
    /a(?<name>b)/,
    /a+?/,
    /a*?b/,
    /\bword/,
    /a\D/,
    /\p{L}/u,
    /(a)\1/,
    /[a\]]/,
    /[a[]/,
  ];
  for (const pattern of refused) {
    it(`refuses ${String(pattern)}`, () => {
      expect(codeThrownBy(() => toTopicPattern(pattern))).to.equal("INVALID_SETTINGS");
    });
  }

  const translated: [RegExp, string][] = [
    [/^orders\..*/, "^orders\\..*"],
    [/^a|b/, "^a|b"],
    [/orders/, "^.*(orders)"],
    [/orders$/, "^.*(orders$)"],
    [/a|b/, "^.*(a|b)"],
    [/^(?:eu|us)-\d+$/, "^(eu|us)-[0-9]+$"],
    [/^[\w.-]{2,5}$/, "^[A-Za-z0-9_.-]{2,5}$"],
    [/^a\/b\-c/, "^a/b-c"],
    [/^[\.]/, "^[.]"],
    [/^colou?r/g, "^colou?r"],
  ];
  for (const [pattern, posix] of translated) {
    it(`writes ${String(pattern)} as ${posix}`, () => {
      expect(toTopicPattern(pattern)).to.equal(posix);
    });
  }
});
