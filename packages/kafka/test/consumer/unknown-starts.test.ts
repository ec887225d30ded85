import { KafkaConnectorError } from "@millrace/kafka";
import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Assignment } from "../../src/consumer/partitions/assignment.js";
import { UnknownStarts } from "../../src/consumer/recovery/missing-starts.js";
import { Auditor } from "../../src/ledger/auditor.js";
import { silentLogger } from "../../src/logging/silent-logger.js";
import { p0, p1 } from "../support/pipelines.js";
import { unheard } from "../support/unheard.js";

const failure = (clientCode: number, retriable = true): KafkaConnectorError =>
  new KafkaConnectorError("POLL_FAILED", "no answer", { clientCode, retriable });

const rig = () => {
  const clock = virtualClock();
  const assignment = new Assignment(new Auditor(), Number.POSITIVE_INFINITY, unheard);
  const warnings: string[] = [];
  const remedies = { areAll: true, attempts: 0, next: async () => true };
  const starts = new UnknownStarts({
    clock,
    assignment,
    groupId: "g",
    logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
    remedies: {
      get areAll() {
        return remedies.areAll;
      },
      reassign: () => {
        remedies.attempts += 1;
        return remedies.next();
      },
    },
    isClosing: () => false,
  });
  return { clock, assignment, warnings, remedies, starts };
};

describe("partitions whose start is not known", () => {
  it("are left alone after an error that says nothing of them, and where all have a place", async () => {
    const { clock, assignment, remedies, starts } = rig();
    const [owned] = assignment.add([p0]);
    starts.pollFailed(failure(3));
    starts.pollFailed(new Error("16"));
    owned?.reading.through(4);
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(remedies.attempts).to.equal(0);
  });

  it("are left alone where the client is shared", async () => {
    const { clock, assignment, remedies, starts } = rig();
    assignment.add([p0]);
    remedies.areAll = false;
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(remedies.attempts).to.equal(0);
  });

  for (const code of [14, 15, 16, -180, -195, -185, -166]) {
    it(`are assigned again, once, after error ${code}`, async () => {
      const { clock, assignment, remedies, starts } = rig();
      assignment.add([p0, p1]);
      starts.pollFailed(failure(code));
      await clock.advance(10_000);
      expect(remedies.attempts).to.equal(1);
      starts.pollFailed(failure(code));
      await clock.advance(10_000);
      expect(remedies.attempts).to.equal(2);
    });
  }

  for (const [why, next] of [
    ["a rebalance is under way", () => Promise.reject(failure(0))],
    ["partitions are being given up", () => Promise.resolve(false)],
  ] as const) {
    it(`are tried until it can be done, while ${why}`, async () => {
      const { clock, assignment, warnings, remedies, starts } = rig();
      assignment.add([p0]);
      remedies.next = next;
      starts.pollFailed(failure(16));
      starts.pollFailed(failure(16));
      await clock.advance(1000);
      expect(remedies.attempts).to.equal(6);
      remedies.next = async () => true;
      await clock.advance(10_000);
      expect(remedies.attempts).to.equal(7);
      expect(warnings).to.deep.equal([]);
    });

    it(`are given up once the group has assigned them anew, while ${why}`, async () => {
      const { clock, assignment, remedies, starts } = rig();
      const owned = assignment.add([p0]);
      remedies.next = next;
      starts.pollFailed(failure(16));
      await clock.advance(0);
      assignment.remove(owned);
      assignment.add([p0]);
      await clock.advance(10_000);
      expect(remedies.attempts).to.equal(1);
    });

    it(`are given up with the consumer, while ${why}`, async () => {
      const { clock, assignment, remedies, starts } = rig();
      assignment.add([p0]);
      remedies.next = next;
      starts.pollFailed(failure(16));
      await clock.advance(100);
      starts.close();
      await clock.advance(10_000);
      expect(remedies.attempts).to.equal(1);
    });
  }

  it("are left to the watchdog, with a warning, where the client refuses for good", async () => {
    const { clock, assignment, warnings, remedies, starts } = rig();
    assignment.add([p0]);
    remedies.next = () => Promise.reject(failure(0, false));
    starts.pollFailed(failure(16));
    await clock.advance(10_000);
    expect(remedies.attempts).to.equal(1);
    expect(warnings).to.deep.equal(["kafka consumer: partitions could not be assigned again"]);
  });
});
