import { readFileSync } from "node:fs";
import { KafkaConnectorError } from "@millrace/kafka";
import { InvariantViolation, StreamError } from "@millrace/streams";
import { expect } from "chai";
import { mayMend, MENDS } from "../../src/restarting/mending.js";
import { numbered } from "../../src/client/codes.js";

const codesOf = (file: string, type: string): readonly string[] => {
  const text = readFileSync(file, "utf8").split(`export type ${type} =`)[1]?.split(";\n\n")[0] ?? "";
  return [...text.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code as string);
};

describe("whether a restart mends a failure", () => {
  it("is said of every code", () => {
    const codes = [
      ...codesOf("packages/kafka/src/errors/errors.ts", "KafkaErrorCode"),
      ...codesOf("packages/streams/src/errors.ts", "StreamErrorCode"),
    ];
    expect(codes).to.include.members(["CLIENT_FAILED", "INVARIANT_VIOLATION"]);
    expect(Object.keys(MENDS).sort()).to.deep.equal([...codes].sort());
  });

  it("is no for what the same program meets again", () => {
    for (const code of ["INVALID_SETTINGS", "DESERIALIZATION_FAILED", "PRODUCER_FENCED", "UNSAFE_GRAPH"] as const) {
      expect(mayMend(new KafkaConnectorError(code, "again")), code).to.equal(false);
    }
    expect(mayMend(new StreamError("INVALID_ARGUMENT", "again"))).to.equal(false);
    expect(mayMend(new InvariantViolation("again"))).to.equal(false);
    for (const clientCode of [-144, 82, 90, 111]) {
      expect(mayMend(new KafkaConnectorError("CLIENT_FAILED", "fenced", numbered(clientCode)))).to.equal(false);
    }
  });

  it("is no for a shared client that its owner closed, and yes for one that was closed by a failure", () => {
    expect(mayMend(new KafkaConnectorError("PRODUCER_CLOSED", "by its owner", { fatal: true }))).to.equal(false);
    expect(mayMend(new KafkaConnectorError("PRODUCER_CLOSED", "with its stream"))).to.equal(true);
  });

  it("is yes for brokers that are away, and for whatever user code throws", () => {
    expect(mayMend(new KafkaConnectorError("CONNECT_FAILED", "away"))).to.equal(true);
    expect(mayMend(new Error("handler"))).to.equal(true);
    expect(mayMend("text")).to.equal(true);
  });
});
