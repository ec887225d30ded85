import { committerSink, DrainingControl, sourceWithOffsetContext, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing, passUntil } from "./support/virtual-time.js";

const AFTER_MS = 10_000;

describe("a partition that a simulated client no longer fetches", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let sent: number;
  let processed: string[];
  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 11, clock });
    kafka.createTopic("t", 2);
    sent = 0;
    processed = [];
  });

  const send = (): void => {
    for (const partition of [0, 1]) kafka.append("t", partition, { value: `${partition}:${sent}` });
    sent += 1;
  };
  const run = (watchdog: false | { afterMs: number }, assignor: string) =>
    sourceWithOffsetContext({
      kafka: { brokers: "simulated", groupId: "g", driver: kafka.driver },
      topics: ["t"],
      value: string(),
      watchdog,
      properties: { "partition.assignment.strategy": assignor },
    })
      .mapAsync(5, async ({ value }) => {
        await new Promise<void>((resolve) => clock.schedule(20, resolve));
        processed.push(value);
      })
      .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
      .run({ clock });
  const all = (): string[] =>
    [0, 1].flatMap((partition) => Array.from({ length: sent }, (_, at) => `${partition}:${at}`));
  const has = (): boolean => new Set(processed).size === 2 * sent;

  it("is stuck for ever without the watchdog, though the broker has more", async () => {
    const control = run(false, "range");
    send();
    await passUntil(clock, has, "the first records");
    expect(kafka.hang("t", 0, "seek")).to.equal(1);
    send();
    await passUntil(clock, () => processed.includes("1:1"), "the other partition");
    await clock.advance(20 * AFTER_MS);
    expect(processed).to.not.include("0:1");
    await passing(clock, control.drainAndShutdown(), "the drain");
  });

  for (const assignor of ["range", "cooperative-sticky"]) {
    for (const [cure, steps] of [
      ["seek", [1, 0, 0]],
      ["reassign", [1, 1, 0]],
      ["renew", [1, 1, 1]],
    ] as const) {
      it(`comes back by the watchdog's ${cure}, ${assignor}, and nothing is lost`, async () => {
        const control = run({ afterMs: AFTER_MS }, assignor);
        send();
        await passUntil(clock, has, "the first records");
        kafka.hang("t", 0, cure);
        for (let round = 0; round < 12; round++) {
          send();
          await clock.advance(AFTER_MS / 2);
        }
        await passUntil(clock, has, `all of ${sent}, with ${processed.length}`, 20 * AFTER_MS);
        const { watchdogSeeks, watchdogReassignments, watchdogRenewals } = control.metrics();
        expect([watchdogSeeks, watchdogReassignments, watchdogRenewals]).to.deep.equal(steps);
        await passing(clock, control.drainAndShutdown(), "the drain");
        expect([...new Set(processed)].sort()).to.deep.equal(all().sort());
        // Without another client nothing is read twice.
        if (cure !== "renew") expect(processed).to.have.length(2 * sent);
        expect(kafka.committed("g").map(({ offset }) => offset)).to.deep.equal([sent, sent]);
      });
    }
  }

  it("is distinguished from one that ends with records that nobody may read", async () => {
    const control = run({ afterMs: AFTER_MS }, "range");
    send();
    await passUntil(clock, has, "the first records");
    for (let round = 0; round < 20; round++) {
      kafka.skipOffsets("t", 0, 3);
      await clock.advance(AFTER_MS);
    }
    const { watchdogSeeks, watchdogReassignments, watchdogRenewals } = control.metrics();
    expect([watchdogSeeks, watchdogReassignments, watchdogRenewals]).to.deep.equal([0, 0, 0]);
    send();
    await passUntil(clock, has, "what comes after them");
    await passing(clock, control.drainAndShutdown(), "the drain");
  });
});
