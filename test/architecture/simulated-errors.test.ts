import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { connectorError } from "../../packages/kafka/src/client/rdkafka/error-codes.js";
import { CODE, Simulation } from "../../packages/kafka-testkit/src/simulated/simulation.js";

describe("errors of the simulation", () => {
  const simulation = new Simulation({ seed: 1, clock: virtualClock(), brokers: 1, faults: {}, onEvent: undefined });
  for (const [name, code] of Object.entries(CODE)) {
    it(`mean what the client means by them: ${name}`, () => {
      const { reason, retriable, fatal } = connectorError("CLIENT_FAILED", "x", { code, message: "" });
      expect(simulation.error("CLIENT_FAILED", "x", code)).to.include({ clientCode: code, reason, retriable, fatal });
    });
  }
});
