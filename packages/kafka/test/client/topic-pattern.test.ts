import { plainSource } from "@millrace/kafka";
import { expect } from "chai";
import fc from "fast-check";
import { toTopicPattern } from "../../src/client/topic-pattern.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { codeThrownBy } from "./rdkafka/support/errors.js";

const MATCHERS = ["client", "broker"] as const;

/** Names as topics have them, and what they are made of. */
const name = fc.stringMatching(/^[ab01._-]{1,8}$/);

/** Expressions of all that is translated, nested. */
const { expression } = fc.letrec<{ expression: string; term: string; atom: string }>((tie) => ({
  expression: fc.oneof(
    tie("term"),
    fc.tuple(tie("term"), tie("term")).map((both) => both.join("|")),
  ),
  term: fc.array(tie("atom"), { minLength: 1, maxLength: 4 }).map((atoms) => atoms.join("")),
  atom: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(
      "a",
      "b",
      "0",
      "_",
      "-",
      "\\.",
      "\\-",
      "\\d",
      "\\w",
      ".",
      "[ab]",
      "[^a0]",
      "[\\d.]",
      "[\\w-]",
      "[a-b_]",
    ),
    fc.constantFrom("a*", "b+", "0?", ".*", "[01]{1,2}", "\\d{2}", "a{2,}", "^", "$"),
    tie("expression").map((inner) => `(${inner})`),
    tie("expression").map((inner) => `(?:${inner})?`),
  ),
}));

describe("a topic pattern", () => {
  const refused = [
    /a/i,
    /a/s,
    /a/m,
    /a/y,
    /a(?=b)/,
    /a(?!b)/,
    /(?<=a)b/,
    /(?<!a)b/,
    /a(?<name>b)/,
    /(?<name>a)\k<name>/,
    /a+?/,
    /a*?b/,
    /a{1,2}?b/,
    /\bword/,
    /a\D/,
    /\p{L}/u,
    /\x61/,
    /(a)\1/,
    /[a\]]/,
    /[a[]/,
    /[]/,
    /[^]/,
    /[\w-x]/,
    /[+-\d]/,
    /[a-b-c]/,
    /a{250}/,
    new RegExp("a{"),
    new RegExp("a{,3}"),
    new RegExp("a]"),
    new RegExp("a}"),
  ];
  for (const topicPattern of refused) {
    it(`${String(topicPattern)} is refused before anything runs, by every driver, and for both who match it`, () => {
      const { settings: kafka } = new FakeKafka();
      for (const groupProtocol of ["classic", "consumer"] as const) {
        const build = (): unknown => plainSource({ kafka, groupId: "g", topicPattern, groupProtocol });
        expect(codeThrownBy(build)).to.equal("INVALID_SETTINGS");
        expect(build).to.throw(/topicPattern/);
        expect(build).to.throw(/subscribe to topics by name/);
      }
      for (const matcher of MATCHERS) {
        expect(codeThrownBy(() => toTopicPattern(topicPattern, matcher))).to.equal("INVALID_SETTINGS");
      }
    });
  }

  const translated: [RegExp, client: string, broker: string][] = [
    [/^orders-/, "^orders-", "^.*(^orders-).*"],
    [/^orders\..*/, "^orders\\..*", "^.*(^orders\\..*).*"],
    [/^a|b/, "^a|b", "^.*(^a|b).*"],
    [/orders/, "^.*(orders)", "^.*(orders).*"],
    [/orders$/, "^.*(orders$)", "^.*(orders$).*"],
    [/a|b/, "^.*(a|b)", "^.*(a|b).*"],
    [/^(?:eu|us)-\d+$/, "^(eu|us)-[0-9]+$", "^.*(^(eu|us)-[0-9]+$).*"],
    [/^[\w.-]{2,5}$/, "^[A-Za-z0-9_.-]{2,5}$", "^.*(^[A-Za-z0-9_.-]{2,5}$).*"],
    [/^a\/b\-c\'/, "^a/b-c'", "^.*(^a/b-c').*"],
    [/^[\.]/, "^[.]", "^.*(^[.]).*"],
    [/^colou?r/g, "^colou?r", "^.*(^colou?r).*"],
  ];
  for (const [pattern, client, broker] of translated) {
    it(`${String(pattern)} is written as ${client} for the client, and as ${broker} for brokers`, () => {
      expect(MATCHERS.map((matcher) => toTopicPattern(pattern, matcher))).to.deep.equal([client, broker]);
    });
  }

  it("matches the names that it matches in JavaScript, also where a matcher wants the whole name", () => {
    fc.assert(
      fc.property(expression, fc.array(name, { minLength: 1, maxLength: 20 }), (source, names) => {
        const pattern = new RegExp(source);
        // What is written is an expression that JavaScript reads as the others do.
        const client = new RegExp(toTopicPattern(pattern, "client"));
        const broker = new RegExp(`^(?:${toTopicPattern(pattern, "broker")})$`);
        for (const each of names) {
          expect(client.test(each), `${source} on ${each}, by the client`).to.equal(pattern.test(each));
          expect(broker.test(each), `${source} on ${each}, by a broker`).to.equal(pattern.test(each));
        }
      }),
    );
  });
});
