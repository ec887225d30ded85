import { discard, type HandlerAttempt } from "@millrace/kafka";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Calls, type HandlerRig, record, surfaces, withFreshRig } from "../support/handler-rig.js";
import { p0, p1 } from "../support/pipelines.js";
import { rejectionOf } from "../support/until.js";

describe("a handler whose stream ends, or whose partition goes", () => {
  let rig: HandlerRig;
  withFreshRig((fresh) => (rig = fresh));

  for (const surface of surfaces) {
    describe(surface, () => {
      it("waits in a drain for the attempts that are left", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give(record(0));
        await calls.until(1);
        calls.fail("0@0#1");
        await settle();
        const drained = control.drainAndShutdown();
        await settle();
        await rig.clock.advance(200);
        await calls.until(2);
        calls.end("0@0#2");
        expect(await drained).to.include({ processed: 1, abandoned: 0 });
        expect(rig.committed.at(-1)).to.equal(1);
      });

      it("counts neither an attempt nor an outcome when the drain is out of time: the signal is aborted, and the record stays", async () => {
        for (const when of ["in an attempt", "between two"]) {
          const calls = new Calls();
          const policy = { otherwise: discard("never"), backoff: { minMs: 5000 } };
          const control = await rig.start(surface, calls.handle, policy);
          rig.give(record(0));
          await calls.until(1);
          const [{ signal }] = calls.attempts as [HandlerAttempt];
          if (when === "between two") {
            calls.fail("0@0#1");
            await settle();
          }
          const drained = rejectionOf(control.drainAndShutdown({ timeoutMs: 1000 }));
          await settle();
          await rig.clock.advance(1000);
          expect(await drained, when).to.include({ code: "DRAIN_INCOMPLETE" });
          if (when === "in an attempt") {
            expect(signal.aborted).to.equal(true);
            calls.fail("0@0#1", signal.reason);
          }
          await rejectionOf(control.isShutdown);
          expect(rig.clock.pending, when).to.equal(0);
          await rig.clock.advance(60_000);
          expect(calls.begun, when).to.deep.equal(["0@0#1"]);
          expect([rig.warnings, rig.committed], when).to.deep.equal([[], []]);
        }
      });

      it("does not try again, nor leave out, what belongs to another owner", async () => {
        for (const [attempts, failsFirst] of [
          [1, false],
          [2, false],
          [2, true],
        ] as const) {
          const calls = new Calls();
          const control = await rig.start(surface, calls.handle, { otherwise: discard("never"), attempts });
          rig.give(record(0), record(0, "b", 1));
          await calls.until(2);
          const fail = async (): Promise<void> => {
            calls.fail("0@0#1");
            calls.fail("1@0#1");
            await settle();
          };
          if (failsFirst) await fail();
          rig.kafka.client.lose(p0, p1);
          if (!failsFirst) await fail();
          await rig.clock.advance(10_000);
          await settle();
          expect(calls.begun).to.have.length(2);
          expect(rig.warnings.filter((message) => message.includes("left out"))).to.deep.equal([]);
          expect(await control.drainAndShutdown()).to.include({ processed: 0, discarded: 0 });
        }
      });
    });
  }
});
