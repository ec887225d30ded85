import { discard, type HandlerAttempt } from "@millrace/kafka";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Calls, type HandlerRig, record, surfaces, withFreshRig } from "../support/handler-rig.js";

describe("the time of an attempt", () => {
  let rig: HandlerRig;
  withFreshRig((fresh) => (rig = fresh));

  for (const surface of surfaces) {
    describe(surface, () => {
      it("aborts an attempt that takes too long, and tries again once it has ended", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { timeoutMs: 1000 });
        rig.give(record(0));
        await calls.until(1);
        const [{ signal }] = calls.attempts as [HandlerAttempt];
        await rig.clock.advance(999);
        expect(signal.aborted).to.equal(false);
        await rig.clock.advance(1);
        expect(signal.aborted).to.equal(true);
        expect(signal.reason).to.include({ code: "HANDLER_TIMEOUT", retriable: true });
        // It runs on, so no other attempt begins beside it.
        await rig.clock.advance(4000);
        await settle();
        expect(calls.begun).to.have.length(1);
        calls.fail("0@0#1", signal.reason);
        await settle();
        await rig.clock.advance(200);
        await calls.until(2);
        const second = calls.attempts[1] as HandlerAttempt;
        expect(second.signal.aborted).to.equal(false);
        calls.end("0@0#2");
        await rig.commitsUp(1);
        await rig.clock.advance(1000);
        expect(second.signal.aborted).to.equal(false);
        expect(rig.warnings).to.deep.equal([]);
        await control.drainAndShutdown();
      });

      it("takes a late success for one", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { timeoutMs: 1000 });
        rig.give(record(0));
        await calls.until(1);
        await rig.clock.advance(2000);
        calls.end("0@0#1");
        await rig.commitsUp(1);
        expect(calls.begun).to.have.length(1);
        await control.drainAndShutdown();
      });

      it("tries again beside an attempt that ignores its signal, and says so", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, {
          timeoutMs: 1000,
          otherwise: discard("too slow"),
          attempts: 2,
        });
        rig.give(record(0));
        await calls.until(1);
        await rig.clock.advance(6000);
        await settle();
        expect(rig.warnings).to.deep.equal([
          "kafka: a handler goes on though its signal was aborted 5000 ms ago; its record is tried again beside it. Hand the signal to what it calls",
        ]);
        await rig.clock.advance(200);
        await calls.until(2);
        // What the first does now is of no interest.
        calls.fail("0@0#1", new Error("late"));
        await rig.clock.advance(6000);
        await rig.commitsUp(1);
        expect(rig.warnings.at(-1)).to.match(
          /after 2 attempts: too slow: handle.*: an attempt took longer than 1000 ms/,
        );
        expect(calls.begun).to.have.length(2);
        await control.drainAndShutdown();
      });
    });
  }
});
