import { expect } from "chai";
import { codeOf, codeOfText, connectorError } from "../../../src/client/rdkafka/error-codes.js";
import { errorCodes, errorText } from "../../../src/client/rdkafka/native.js";
import { KafkaConnectorError } from "../../../src/errors/errors.js";

/** What node-rdkafka makes of an error on `event.error` and in delivery reports. */
const stripped = (code: number): { message: string; code: number } => {
  const [, message] = errorText(code).split(": ");
  return { message: (message ?? errorText(code)).toLowerCase(), code: -1 };
};

describe("error codes", () => {
  for (const [name, code] of Object.entries(errorCodes())) {
    it(`rebuild ${name} from its text`, () => {
      expect(codeOf(stripped(code))).to.equal(code);
      expect(codeOfText(errorText(code))).to.equal(code);
    });
  }

  it("are those of the error where it has them", () => {
    expect(codeOf({ code: -140, message: "whatever" })).to.equal(-140);
    expect(codeOf(-175)).to.equal(-175);
  });

  it("are absent where neither number nor text says anything", () => {
    for (const error of [undefined, null, "text", new Error("boom"), { code: "ENOENT" }])
      expect(codeOf(error)).to.equal(undefined);
    expect(codeOf({ code: -1, message: "something else" })).to.equal(-1);
  });

  it("give a timed-out message code -192, retriable, with its cause and what to do next", () => {
    const cause = stripped(-192);
    const error = connectorError("PRODUCE_FAILED", "The record was not delivered", cause);
    expect(error).to.include({ code: "PRODUCE_FAILED", clientCode: -192, retriable: true, fatal: false, cause });
    expect(error.message).to.equal(
      "The record was not delivered: Local: Message timed out (-192). Check that the brokers are reachable, or raise `message.timeout.ms`.",
    );
  });

  it("mark fatal and fenced clients as of no further use", () => {
    for (const code of [-150, -144, 82, 90, 111]) {
      expect(connectorError("CLIENT_FAILED", "x", stripped(code)), String(code)).to.include({
        fatal: true,
        retriable: false,
      });
    }
  });

  it("say that a call may succeed later where a coordinator or a leader is missing, loading or elsewhere", () => {
    for (const code of [3, 5, 6, 14, 15, 16, 27, 41, -195, -185, -180]) {
      expect(connectorError("COMMIT_FAILED", "x", { code, message: "" }), String(code)).to.include({
        clientCode: code,
        fatal: false,
        retriable: true,
      });
    }
  });

  for (const [reason, codes] of Object.entries({
    timedOut: [-185, -166],
    disconnected: [-195],
    brokersDown: [-187],
    coordinatorUnavailable: [14, 15, 16, -180],
    rebalanced: [22, 25],
    rebalancing: [27, 113],
    memberFenced: [82],
    memberUnreleased: [111],
    producerFenced: [-144, 90],
    metadataTooLarge: [12],
    positionHeld: [88],
    notFound: [3, -188, -190],
  })) {
    it(`say "${reason}" to programs that know no numbers`, () => {
      for (const code of codes)
        expect(connectorError("CLIENT_FAILED", "x", { code, message: "" }), String(code)).to.include({ reason });
    });
  }

  it("have no reason where nothing is decided by one", () => {
    expect(connectorError("CLIENT_FAILED", "x", { code: 29, message: "" }).reason).to.equal(undefined);
    expect(connectorError("CLIENT_FAILED", "x", new Error("boom")).reason).to.equal(undefined);
  });

  it("keep a refused authorization neither retriable nor fatal", () => {
    for (const code of [29, 30, -169, -140, 22]) {
      expect(connectorError("POLL_FAILED", "x", { code, message: "" }), String(code)).to.include({
        fatal: false,
        retriable: false,
      });
    }
  });

  it("let librdkafka's own verdict win", () => {
    const verdict = { code: -185, message: "Local: Timed out", isFatal: true, isRetriable: false };
    expect(connectorError("CLIENT_FAILED", "x", verdict)).to.include({ fatal: true, retriable: false });
  });

  it("keep a reason that says more than the code's text", () => {
    const error = connectorError("CONNECT_FAILED", "It failed", { code: -172, message: "`group.id` must be set" });
    expect(error.message).to.contain("Local: Erroneous state (-172): `group.id` must be set.");
  });

  it("pass a connector error on untouched", () => {
    const error = new KafkaConnectorError("INVALID_RECORD", "no");
    expect(connectorError("PRODUCE_FAILED", "x", error)).to.equal(error);
  });

  it("wrap what is no error at all", () => {
    expect(connectorError("REBALANCE_FAILED", "It threw", "text").message).to.equal("It threw: text.");
    expect(connectorError("REBALANCE_FAILED", "It threw", undefined).message).to.equal("It threw: undefined.");
  });
});
