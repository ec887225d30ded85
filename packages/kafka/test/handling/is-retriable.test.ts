import { KafkaConnectorError, NotRetriableError } from "@millrace/kafka";
import { InvariantViolation } from "@millrace/streams";
import { expect } from "chai";
import { isRetriable } from "../../src/handling/is-retriable.js";

const withStatus = (status: number): Error => Object.assign(new Error("http"), { status });

describe("another attempt", () => {
  const may: Readonly<Record<string, unknown>> = {
    "any error": new Error("oh"),
    "something that is no error": "oh",
    nothing: undefined,
    "a fetch whose network fails": new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }),
    "a server that fails": withStatus(503),
    "a server that waits": withStatus(408),
    "a server that is not ready": withStatus(425),
    "a server that is asked too often": Object.assign(new Error("http"), { statusCode: 429 }),
    "a producer without an answer": new KafkaConnectorError("PRODUCE_FAILED", "no answer"),
  };
  const mayNot: Readonly<Record<string, unknown>> = {
    "a TypeError": new TypeError("x is undefined"),
    "a RangeError": new RangeError("too deep"),
    "a SyntaxError": new SyntaxError("JSON"),
    "a ReferenceError": new ReferenceError("y"),
    "a request that is wrong": withStatus(400),
    "something that is not there": Object.assign(new Error("http"), { statusCode: 404 }),
    "an error that says so": Object.assign(new Error("no"), { retriable: false }),
    "a NotRetriableError": new NotRetriableError("no"),
    "a record that can never be sent": new KafkaConnectorError("INVALID_RECORD", "no topic"),
    "a broken invariant": new InvariantViolation("impossible"),
  };
  for (const [what, error] of Object.entries(may))
    it(`may help after ${what}`, () => expect(isRetriable(error)).to.equal(true));
  for (const [what, error] of Object.entries(mayNot))
    it(`does not help after ${what}`, () => expect(isRetriable(error)).to.equal(false));
});
