import { KafkaConnectorError } from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Assignment } from "../../../src/consumer/partitions/assignment.js";
import { MissingStarts } from "../../../src/consumer/recovery/missing-starts.js";
import { Auditor } from "../../../src/ledger/auditor.js";
import { silentLogger } from "../../../src/logging/silent-logger.js";
import { p0, p1 } from "../../support/pipelines.js";
import { sessionContext } from "../../support/session-context.js";
import { unheard } from "../../support/unheard.js";
import { numbered } from "../../../src/client/codes.js";

const failure = (clientCode: number, retriable = true): KafkaConnectorError =>
  new KafkaConnectorError("POLL_FAILED", "no answer", { ...numbered(clientCode), retriable });

const rig = () => {
  const clock = virtualClock();
  const assignment = new Assignment(new Auditor(), Number.POSITIVE_INFINITY, unheard);
  const warnings: string[] = [];
  const recoverySteps = { areAll: true, attempts: 0, next: async () => true };
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  const starts = new MissingStarts(sessionContext({ clock, assignment, logger, life: { isClosed: false } }), {
    get areAll() {
      return recoverySteps.areAll;
    },
    reassign: () => {
      recoverySteps.attempts += 1;
      return recoverySteps.next();
    },
  });
  return { clock, assignment, warnings, recoverySteps, starts };
};

describe("partitions whose start is not known", () => {
  it("are left alone after an error that says nothing of them, and where all have a place", async () => {
    const { clock, assignment, recoverySteps, starts } = rig();
    const [owned] = assignment.add([p0]);
    starts.pollFailed(failure(3));
    starts.pollFailed(new Error("16"));
    owned?.reading.through(4);
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(recoverySteps.attempts).to.equal(0);
  });

  it("are left alone where the client is shared", async () => {
    const { clock, assignment, recoverySteps, starts } = rig();
    assignment.add([p0]);
    recoverySteps.areAll = false;
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(recoverySteps.attempts).to.equal(0);
  });

  for (const code of [14, 15, 16, -180, -195, -185, -166]) {
    it(`are assigned again, once, after error ${code}`, async () => {
      const { clock, assignment, recoverySteps, starts } = rig();
      assignment.add([p0, p1]);
      starts.pollFailed(failure(code));
      await clock.advance(10_000);
      expect(recoverySteps.attempts).to.equal(1);
      starts.pollFailed(failure(code));
      await clock.advance(10_000);
      expect(recoverySteps.attempts).to.equal(2);
    });
  }

  for (const [why, next] of [
    ["a rebalance is under way", () => Promise.reject(failure(0))],
    ["partitions are being given up", () => Promise.resolve(false)],
  ] as const) {
    it(`are tried until it can be done, while ${why}`, async () => {
      const { clock, assignment, warnings, recoverySteps, starts } = rig();
      assignment.add([p0]);
      recoverySteps.next = next;
      starts.pollFailed(failure(16));
      starts.pollFailed(failure(16));
      await clock.advance(1000);
      expect(recoverySteps.attempts).to.equal(6);
      recoverySteps.next = async () => true;
      await clock.advance(10_000);
      expect(recoverySteps.attempts).to.equal(7);
      expect(warnings).to.deep.equal([]);
    });

    it(`are given up once the group has assigned them anew, while ${why}`, async () => {
      const { clock, assignment, recoverySteps, starts } = rig();
      const owned = assignment.add([p0]);
      recoverySteps.next = next;
      starts.pollFailed(failure(16));
      await clock.advance(0);
      assignment.remove(owned);
      assignment.add([p0]);
      await clock.advance(10_000);
      expect(recoverySteps.attempts).to.equal(1);
    });

    it(`are given up with the consumer, while ${why}`, async () => {
      const { clock, assignment, recoverySteps, starts } = rig();
      assignment.add([p0]);
      recoverySteps.next = next;
      starts.pollFailed(failure(16));
      await clock.advance(100);
      starts.close();
      await clock.advance(10_000);
      expect(recoverySteps.attempts).to.equal(1);
    });
  }

  it("are left to the watchdog, with a warning, where the client refuses for good", async () => {
    const { clock, assignment, warnings, recoverySteps, starts } = rig();
    assignment.add([p0]);
    recoverySteps.next = () => Promise.reject(failure(0, false));
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(recoverySteps.attempts).to.equal(1);
    expect(warnings).to.deep.equal(["kafka consumer: partitions could not be assigned again"]);
  });
});
