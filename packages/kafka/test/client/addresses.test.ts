import { plainSource } from "@millrace/kafka";
import { expect } from "chai";
import { errorOf } from "../support/until.js";

/** What is refused, and what the error says of it. */
const WRONG: Readonly<Record<string, readonly [brokers: unknown, says: RegExp]>> = {
  "an unset environment variable": [undefined, /not set; give host:port.*environment variable.*at kafka\.brokers$/s],
  "an empty text": ["", /not set/],
  "an empty list": [[], /the list is empty.*at kafka\.brokers$/s],
  "an unset variable in a list": [["a:1", undefined], /not set.*at kafka\.brokers\[1\]$/s],
  "a number": [9092, /a text is expected/],
  "a URL": ["http://localhost:9092", /without a scheme.*at kafka\.brokers$/s],
  "a listener, as brokers write them": ["PLAINTEXT://localhost:9092", /without a scheme/],
  "a path": ["localhost:9092/kafka", /without a path/],
  "a user and a password": ["me:secret@localhost:9092", /security\.sasl/],
  "a port above 65535": ["localhost:65536", /from 1 to 65535/],
  "a port of 0": ["localhost:0", /from 1 to 65535/],
  "a port that is no number": [["a:1", "localhost:kafka"], /from 1 to 65535.*at kafka\.brokers\[1\]$/s],
  "a port alone": [":9092", /host:port is expected/],
  "nothing between commas": ["a:1,,b:2", /host:port is expected/],
};

const RIGHT = ["localhost", "localhost:9092", "127.0.0.1:65535", "[::1]:9092", "a:1,b:2", "a:1, b:2", ["a:1", "b:2,c"]];

describe("kafka.brokers", () => {
  const of = (brokers: unknown) => () =>
    plainSource({ kafka: { brokers: brokers as string }, topics: ["t"], groupId: "g" });

  for (const [what, [brokers, says]] of Object.entries(WRONG)) {
    it(`is refused with what to give instead: ${what}`, () => {
      const error = errorOf(of(brokers));
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message)
        .to.match(says)
        .and.not.to.include("secret");
    });
  }

  for (const brokers of RIGHT) {
    it(`is taken: ${JSON.stringify(brokers)}`, () => {
      expect(of(brokers)).not.to.throw();
    });
  }
});

describe("what is not set among other settings", () => {
  const of = (settings: object) => (): unknown =>
    plainSource({ kafka: { brokers: "a:1" }, topics: ["t"], groupId: "g", ...settings });

  it("is said to come from the environment, by name", () => {
    const tell = (settings: object): string => (errorOf(of(settings)) as Error).message;
    expect(tell({ topics: [undefined] })).to.match(
      /not set; expected string\..*environment variable.*at topics\[0\]$/s,
    );
    expect(tell({ maxPollRecords: Number("many") })).to.match(/NaN.*environment variable.*at maxPollRecords$/s);
  });
});
