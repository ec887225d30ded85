import { deadLetters, discard, NotRetriableError } from "@millrace/kafka";
import { settle, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { Brake } from "../../src/handling/brake.js";
import { Calls, down, type HandlerRig, record, surfaces, withFreshRig } from "../support/handler-rig.js";
import { p0, p1 } from "../support/pipelines.js";
import { until } from "../support/until.js";

describe("a brake", () => {
  for (const surface of surfaces) {
    describe(`of ${surface}`, () => {
      let rig: HandlerRig;
      withFreshRig((fresh) => (rig = fresh));

      const keys = ["a", "b", "c", "d", "e"];
      const open = (calls: Calls): readonly string[] =>
        [...new Set(calls.begun)].filter((call) => !calls.ended.has(call));
      /** Every call fails, until nothing is tried without a pause. */
      const failAll = async (calls: Calls): Promise<void> => {
        for (let idle = 0; idle < 3; ) {
          const running = open(calls);
          for (const call of running) calls.fail(call);
          await settle();
          await rig.clock.advance(10);
          idle = running.length === 0 ? idle + 1 : 0;
        }
      };
      const policy = {
        attempts: 3,
        backoff: { minMs: 10, jitter: 0 },
        otherwise: discard("never"),
        brake: { failuresInARow: 4 },
      };

      it("tries one record at a time while something is down, counts no attempt, and leaves nothing out", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, policy);
        rig.give(...keys.map((key, offset) => record(offset, key)));
        await calls.until(5);
        await failAll(calls);
        const before = calls.begun.length;
        expect(rig.errors).to.have.length(1);
        expect(rig.errors[0]).to.match(
          /: \d attempts in a row have failed, so something that they need is down: 503\. One record at a time is tried until one succeeds: 503$/,
        );
        expect(control.health()).to.deep.include({ live: true, ready: false });
        expect(control.health().reasons.map(({ code }) => code)).to.deep.equal(["HANDLERS_FAILING"]);
        // Later each time, each another record, and none of them twice as often as it may fail.
        for (const pause of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
          await rig.clock.advance(pause);
          await settle();
          expect(open(calls), `after ${pause} ms`).to.have.length(1);
          calls.fail(open(calls)[0]!);
          await settle();
          expect(open(calls)).to.deep.equal([]);
        }
        expect(new Set(calls.begun.slice(before).map((call) => call.split("#")[0])).size).to.equal(5);
        expect(rig.warnings.filter((message) => message.includes("left out"))).to.deep.equal([]);
        expect(rig.committed).to.deep.equal([]);
        if (surface === "handle")
          expect(control.explain().partitions[0]?.blockedBy?.stage).to.match(
            /waits: \d+ attempts in a row have failed$/,
          );

        // New ones wait as well.
        rig.give(record(5, "f"));
        await settle();
        expect(calls.begun.some((call) => call.startsWith("0@5#"))).to.equal(false);

        await rig.clock.advance(30_000);
        await settle();
        calls.end(open(calls)[0]!);
        await until(() => open(calls).length === 5, "all others at once");
        expect(control.health().ready).to.equal(true);
        expect(rig.warnings.at(-1)).to.match(/an attempt has succeeded, so records are handled as before$/);
        calls.end(...open(calls));
        expect(calls.attempts.every(({ number }) => number <= 3)).to.equal(true);
        await rig.commitsUp(6);
        await control.drainAndShutdown();
      });

      it("holds back also those whose pause is over meanwhile", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, policy);
        rig.give(...keys.slice(0, 4).map((key, offset) => record(offset, key)));
        await calls.until(4);
        for (const call of calls.begun.slice()) calls.fail(call);
        await settle();
        await rig.clock.advance(900);
        await settle();
        expect(rig.errors).to.have.length(1);
        expect(calls.begun).to.have.length(4);
        await rig.clock.advance(100);
        await settle();
        expect(calls.begun).to.have.length(5);
        calls.end(...open(calls));
        await settle();
        calls.end(...open(calls));
        await rig.commitsUp(4);
        await control.drainAndShutdown();
      });

      it("is not on where one record or two fail, however often", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { ...policy, attempts: 4 });
        rig.give(record(0, "a"), record(1, "b"));
        await calls.until(2);
        await failAll(calls);
        expect(rig.errors).to.deep.equal([]);
        await rig.commitsUp(2);
        expect(rig.warnings.filter((message) => message.includes("left out"))).to.have.length(2);
        await control.drainAndShutdown();
      });

      it("is not on where some succeed in between, nor where another attempt would not help", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, policy);
        rig.give(...keys.map((key, offset) => record(offset, key)));
        await calls.until(5);
        for (const [index, call] of calls.begun.slice(0, 5).entries()) {
          if (index === 3) calls.end(call);
          else calls.fail(call, index === 1 ? new NotRetriableError("no") : down);
          await settle();
        }
        expect(rig.errors).to.deep.equal([]);
        await rig.clock.advance(1000);
        await settle();
        calls.end(...open(calls));
        await rig.commitsUp(5);
        await control.drainAndShutdown();
      });

      it("can be turned off", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { ...policy, brake: false });
        rig.give(...keys.map((key, offset) => record(offset, key)));
        await calls.until(5);
        await failAll(calls);
        await rig.commitsUp(5);
        expect(rig.errors).to.deep.equal([]);
        expect(rig.warnings.filter((message) => message.includes("left out"))).to.have.length(5);
        await control.drainAndShutdown();
      });

      it("goes on without records whose partition was given up, also where one of them is being tried", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, policy);
        rig.give(...keys.map((key, offset) => record(offset, key)), record(0, "z", 1));
        await calls.until(6);
        await failAll(calls);
        await rig.clock.advance(1000);
        await settle();
        const [probe] = open(calls);
        rig.kafka.client.lose(probe!.startsWith("0@") ? p0 : p1);
        calls.fail(probe!);
        await settle();
        await rig.clock.advance(120_000);
        await settle();
        const others = open(calls);
        expect(others.every((call) => call[0] !== probe![0])).to.equal(true);
        calls.end(...others);
        await settle();
        calls.end(...open(calls));
        await control.drainAndShutdown();
        expect(rig.clock.pending).to.equal(0);
      });

      it("leaves no timer, and no outcome, where the stream ends", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, {
          ...policy,
          otherwise: deadLetters({ topic: () => "dead" }),
        });
        rig.give(...keys.map((key, offset) => record(offset, key)));
        await calls.until(5);
        await failAll(calls);
        const drained = control.drainAndShutdown({ timeoutMs: 100 }).catch(() => undefined);
        await settle();
        await rig.clock.advance(100);
        await drained;
        await control.isShutdown.catch(() => undefined);
        expect(rig.clock.pending).to.equal(0);
        expect(control.health().reasons.map(({ code }) => code)).not.to.include("HANDLERS_FAILING");
        expect(rig.committed).to.deep.equal([]);
      });
    });
  }

  it("never forgets one that waits, and tries at most one at a time while it is on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 60 }), fc.nat(5), async (answers, more) => {
        const clock: VirtualClock = virtualClock();
        const waiting = new Set<number>();
        const probing = new Set<number>();
        const brake: Brake<number> = new Brake<number>(3, clock, {
          mayTry: () => true,
          probe: (each) => {
            waiting.delete(each);
            probing.add(each);
            expect(probing.size).to.equal(1);
          },
          release: (each) => void waiting.delete(each),
          onChange: () => undefined,
        });
        let next = 100;
        for (const key of [1, 2, 3]) brake.failed(key);
        expect(brake.isOn).to.equal(true);
        for (let each = 0; each < 3 + more; each++) {
          waiting.add(each);
          brake.wait(each, false);
        }
        for (const succeeds of answers) {
          if (!brake.isOn) break;
          await clock.advance(30_000);
          const [probe] = probing;
          expect(probe).not.to.equal(undefined);
          // One that was under way fails while another is tried.
          waiting.add(next);
          brake.wait(next++, false);
          await clock.advance(60_000);
          probing.clear();
          if (succeeds) brake.succeeded();
          else {
            brake.failed(probe);
            waiting.add(probe!);
            brake.wait(probe!, true);
          }
        }
        if (!brake.isOn) expect(waiting.size).to.equal(0);
        brake.close();
        expect(clock.pending).to.equal(0);
      }),
      { numRuns: 40 },
    );
  });
});
