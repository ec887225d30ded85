import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Calls, type HandlerRig, record, surfaces, withFreshRig } from "../support/handler-rig.js";

describe("the order in which records are handled", () => {
  let rig: HandlerRig;
  withFreshRig((fresh) => (rig = fresh));

  for (const surface of surfaces) {
    describe(surface, () => {
      it("lets a record wait for the one of its key, with its retries, and no other", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give(record(0, "a"), record(1, "a"), record(2, "b"), record(3, null), record(4, null));
        await calls.until(4);
        expect(calls.begun).to.deep.equal(["0@0#1", "0@2#1", "0@3#1", "0@4#1"]);
        calls.fail("0@0#1");
        await settle();
        await rig.clock.advance(199);
        await settle();
        expect(calls.begun).to.have.length(4);
        await rig.clock.advance(1);
        await calls.until(5);
        calls.end("0@0#2");
        await calls.until(6);
        expect(calls.begun.slice(4)).to.deep.equal(["0@0#2", "0@1#1"]);
        calls.end("0@1#1", "0@2#1", "0@3#1", "0@4#1");
        await rig.commitsUp(5);
        await control.drainAndShutdown();
      });

      it("lets a record wait for the one before it in its partition, where that is the order", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { order: "partition" });
        rig.give(record(0, "a"), record(1, "b"), record(0, "c", 1));
        await calls.until(2);
        expect(calls.begun).to.deep.equal(["0@0#1", "1@0#1"]);
        calls.end("0@0#1");
        await calls.until(3);
        calls.end("0@1#1", "1@0#1");
        await control.drainAndShutdown();
      });

      it("handles at most as many at a time as it may", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { parallelism: 2 });
        rig.give(record(0, "a"), record(1, "b"), record(2, "c"));
        await calls.until(2);
        await settle();
        expect(calls.begun).to.have.length(2);
        calls.end("0@0#1");
        await calls.until(3);
        calls.end("0@1#1", "0@2#1");
        await control.drainAndShutdown();
      });
    });
  }

  it("of the followed surface keeps no order where none is asked for", async () => {
    const calls = new Calls();
    const control = await rig.start("handle", calls.handle, { order: "none" });
    rig.give(record(0, "a"), record(1, "a"));
    await calls.until(2);
    calls.end("0@0#1", "0@1#1");
    await rig.commitsUp(2);
    await control.drainAndShutdown();
  });
});
