import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { Calls, type HandlerRig, record, surfaces, withFreshRig } from "../support/handler-rig.js";

describe("the idempotency key of an attempt", () => {
  let rig: HandlerRig;
  withFreshRig((fresh) => (rig = fresh));

  for (const surface of surfaces) {
    describe(surface, () => {
      it("gives every attempt of a record the same key, and a new number", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give(record(7));
        await calls.until(1);
        calls.fail("0@7#1");
        await settle();
        await rig.clock.advance(200);
        await calls.until(2);
        expect(calls.attempts.map(({ idempotencyKey, number }) => [idempotencyKey, number])).to.deep.equal([
          ["g/t/0/7", 1],
          ["g/t/0/7", 2],
        ]);
        calls.end("0@7#2");
        await rig.commitsUp(8);
        await control.drainAndShutdown();
      });

      it("takes no header of the user's for an original", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give({ ...record(5), headers: [["source_topic", Buffer.from("crm")]] });
        await calls.until(1);
        expect(calls.attempts[0]?.idempotencyKey).to.equal("g/t/0/5");
        calls.end("0@5#1");
        await control.drainAndShutdown();
      });

      it("takes none from the record that another one was made of, and its own group where one was written back", async () => {
        const headersOf = (topic: string) =>
          Object.entries({ topic, partition: "3", offset: "41", group: "others" }).map(
            ([name, value]) => [`millrace-original-${name}`, Buffer.from(value)] as const,
          );
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give({ ...record(5, "a"), headers: headersOf("orders") }, { ...record(6, "b"), headers: headersOf("t") });
        await calls.until(2);
        expect(calls.attempts.map(({ idempotencyKey }) => idempotencyKey)).to.deep.equal(["g/t/0/5", "g/t/3/41"]);
        calls.end("0@5#1", "0@6#1");
        await control.drainAndShutdown();
      });

      it("gives a dead letter the key of its original", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        const headers = Object.entries({ source_topic: "orders", source_partition: "3", source_offset: "41" });
        rig.give({ ...record(0), headers: headers.map(([header, value]) => [header, Buffer.from(value)] as const) });
        await calls.until(1);
        expect(calls.attempts[0]?.idempotencyKey).to.equal("g/orders/3/41");
        calls.end("0@0#1");
        await control.drainAndShutdown();
      });
    });
  }
});
