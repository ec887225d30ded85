import {
  type CommittableOffset,
  committableSource,
  type ConsumerRecord,
  discard,
  handle,
  handleCommittable,
  type HandlePolicy,
  type HandlerAttempt,
  NotRetriableError,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { type Flow, type FlowWithContext, InvariantViolation, Supervision } from "@millrace/streams";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";
import { Calls, down, type HandlerRig, record, surfaces, type Text, withFreshRig } from "./support/handler-rig.js";
import { rejectionOf } from "./support/until.js";
import { unhandledRejections } from "../../../test/support/unhandled.js";

describe("a handler with a policy", () => {
  let rig: HandlerRig;
  withFreshRig((fresh) => (rig = fresh));

  for (const surface of surfaces) {
    describe(surface, () => {
      it("tries again after growing pauses, and commits once it has succeeded", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle);
        rig.give(record(0));
        await calls.until(1);
        for (const [number, pause] of [
          [1, 200],
          [2, 400],
          [3, 800],
        ] as const) {
          calls.fail(`0@0#${number}`);
          await settle();
          await rig.clock.advance(pause - 1);
          await settle();
          expect(calls.begun).to.have.length(number);
          await rig.clock.advance(1);
          await calls.until(number + 1);
        }
        expect(calls.begun).to.deep.equal(["0@0#1", "0@0#2", "0@0#3", "0@0#4"]);
        expect(rig.committed).to.deep.equal([]);
        calls.end("0@0#4");
        await rig.commitsUp(1);
        expect([rig.warnings, rig.errors]).to.deep.equal([[], []]);
        await control.drainAndShutdown();
      });

      it("fails the stream with its last error where it stops, and commits nothing of it", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, { attempts: 2 });
        rig.give(record(0));
        await calls.until(1);
        calls.fail("0@0#1", new Error("first"));
        await settle();
        await rig.clock.advance(200);
        await calls.until(2);
        calls.fail("0@0#2", down);
        expect(await rejectionOf(control.streamCompletion)).to.equal(down);
        await rejectionOf(control.isShutdown);
        expect(rig.committed).to.deep.equal([]);
        expect(rig.errors).to.have.length(1);
        expect(rig.errors[0]).to.match(new RegExp(`the stream failed in ${surface}`));
      });

      it("leaves a record out that has failed for good, and says so", async () => {
        const control = await rig.start(
          surface,
          () => {
            throw down;
          },
          { attempts: 1, otherwise: discard("nobody wants it") },
        );
        rig.give(record(0));
        await rig.commitsUp(1);
        expect(rig.warnings).to.deep.equal([
          `kafka: t[0]@0 was left out by ${surface} after 1 attempt: nobody wants it: 503`,
        ]);
        await control.drainAndShutdown();
      });

      it("asks what becomes of each, with its error and the number of attempts", async () => {
        const asked: unknown[] = [];
        const control = await rig.start(surface, () => Promise.reject(down), {
          attempts: 2,
          backoff: { minMs: 0 },
          otherwise: (failure) => {
            asked.push(failure);
            return asked.length === 1 ? discard("the first") : "stop";
          },
        });
        rig.give(record(0, "a"), record(1, "a"));
        for (let turn = 0; turn < 20; turn++) {
          await settle();
          await rig.clock.advance(1);
        }
        expect(await rejectionOf(control.streamCompletion)).to.equal(down);
        expect(asked).to.deep.equal([
          { error: down, attempts: 2 },
          { error: down, attempts: 2 },
        ]);
      });

      it("does not try again what cannot succeed", async () => {
        const hopeless: Readonly<Record<string, unknown>> = {
          "a mistake": new TypeError("x is undefined"),
          "a reference to nothing": new ReferenceError("y"),
          "an error that says so": Object.assign(new Error("no"), { retriable: false }),
          "its own class": new NotRetriableError("unknown sku", { cause: down }),
          "a request that is wrong": Object.assign(new Error("bad request"), { status: 400 }),
        };
        for (const [what, error] of Object.entries(hopeless)) {
          const calls = new Calls();
          const control = await rig.start(surface, calls.handle);
          rig.give(record(0));
          await calls.until(1);
          calls.fail("0@0#1", error);
          expect(await rejectionOf(control.streamCompletion), what).to.equal(error);
          await rejectionOf(control.isShutdown);
        }
      });

      it("lets the user say what may be tried again, and undefined is the default", async () => {
        const calls = new Calls();
        const control = await rig.start(surface, calls.handle, {
          retriable: (error) => (error === down ? false : error instanceof TypeError ? true : undefined),
        });
        rig.give(record(0));
        await calls.until(1);
        calls.fail("0@0#1", new TypeError("flaky"));
        await settle();
        await rig.clock.advance(200);
        await calls.until(2);
        calls.fail("0@0#2", new Error("as by default"));
        await settle();
        await rig.clock.advance(400);
        await calls.until(3);
        calls.fail("0@0#3", down);
        expect(await rejectionOf(control.streamCompletion)).to.equal(down);
      });

      it("fails with what the user's own functions answer wrongly, or throw", async () => {
        const wrong: Readonly<Record<string, readonly [Partial<HandlePolicy>, RegExp]>> = {
          "retriable answers a promise": [
            { retriable: (() => Promise.reject(down)) as never },
            /^handle(Committable)?: retriable has to answer true, false or undefined, at once\.$/,
          ],
          "otherwise answers nothing": [
            { attempts: 1, otherwise: () => undefined as never },
            /: otherwise has to answer "stop", discard\(reason\) or deadLetters\(\), at once\.$/,
          ],
          "otherwise throws": [
            {
              attempts: 1,
              otherwise: () => {
                throw new Error("oh");
              },
            },
            /^oh$/,
          ],
        };
        for (const [what, [policy, message]] of Object.entries(wrong)) {
          const unheard = await unhandledRejections(async () => {
            const control = await rig.start(surface, () => Promise.reject(down), policy);
            rig.give(record(0));
            expect(((await rejectionOf(control.streamCompletion)) as Error).message, what).to.match(message);
            await rejectionOf(control.isShutdown);
          });
          expect(unheard).to.deep.equal([]);
        }
      });

      it("stops at a violation of an invariant, whatever the policy", async () => {
        const violation = new InvariantViolation("impossible");
        const control = await rig.start(surface, () => Promise.reject(violation), {
          retriable: () => true,
          otherwise: discard("everything"),
        });
        rig.give(record(0));
        expect(await rejectionOf(control.streamCompletion)).to.equal(violation);
      });

      it("drops what stops, where supervision goes on, and commits the rest", async () => {
        const control = await rig.start(
          surface,
          ({ offset }) => {
            if (offset === 0) throw new NotRetriableError("no");
          },
          {},
          { attributes: { supervision: Supervision.resumingDecider } },
        );
        rig.give(record(0, "a"), record(1, "b"));
        await rig.commitsUp(2);
        await control.drainAndShutdown();
      });

      it("refuses a policy that is none, when it is built", () => {
        const make = (surface === "handle" ? handle : handleCommittable) as typeof handle;
        const of = (policy: unknown) => () => make(() => undefined, policy as never);
        expect(of({})).to.throw(/required: "stop", discard\(reason\) or deadLetters\(\)/);
        expect(of({ otherwise: "skip" })).to.throw(/required: "stop"/);
        expect(of({ otherwise: "stop", attempts: 0 })).to.throw(/attempts/);
        expect(of({ otherwise: "stop", parallelism: 70_000 })).to.throw(/parallelism/);
        expect(of({ otherwise: "stop", timeoutMs: 2 ** 31 })).to.throw(/timeoutMs/);
        expect(of({ otherwise: "stop", retries: 3 })).to.throw(/no such setting here: "retries"/);
        expect(of({ otherwise: "stop", backoff: { minMs: 20_000 } })).to.throw(
          `${surface}: backoff.minMs is 20000 and backoff.maxMs 10000. Raise maxMs, or lower minMs.`,
        );
      });
    });
  }

  it("of the explicit surface refuses to keep no order", () => {
    expect(() => handleCommittable(() => undefined, { otherwise: "stop", order: "none" as "key" })).to.throw(
      /^handleCommittable: order is "none", but offsets that are carried leave in their order\./,
    );
  });

  it("says in an explanation which attempt has failed, and why", async () => {
    const calls = new Calls();
    const control = await rig.start("handle", calls.handle);
    rig.give(record(0));
    await calls.until(1);
    expect(control.explain().partitions[0]?.blockedBy).to.include({ offset: 0, stage: "handle" });
    calls.fail("0@0#1");
    await settle();
    expect(control.explain().partitions[0]?.blockedBy?.stage).to.equal(
      "handle, attempt 1 of 4 failed (503), the next in 200 ms",
    );
    await rig.clock.advance(200);
    await calls.until(2);
    expect(control.explain().partitions[0]?.blockedBy?.stage).to.equal("handle");
    calls.end("0@0#2");
    await control.drainAndShutdown();
  });

  it("adds jitter to the pauses", async () => {
    const calls = new Calls();
    const control = await rig.start("handle", calls.handle, { backoff: { jitter: 0.5 }, random: () => 0.5 });
    rig.give(record(0));
    await calls.until(1);
    calls.fail("0@0#1");
    await settle();
    await rig.clock.advance(249);
    await settle();
    expect(calls.begun).to.have.length(1);
    await rig.clock.advance(1);
    await calls.until(2);
    calls.end("0@0#2");
    await control.drainAndShutdown();
  });

  it("follows the types of its source", () => {
    const of = rig.settings;
    sourceWithOffsetContext(of).via(
      handle(
        (each, attempt) => {
          expectTypeOf(each).toEqualTypeOf<ConsumerRecord<string, string>>();
          expectTypeOf(attempt).toEqualTypeOf<HandlerAttempt>();
          return each.value.length;
        },
        { otherwise: "stop" },
      ),
    );
    expectTypeOf(handle(({ value }: Text) => Promise.resolve(value.length), { otherwise: "stop" })).toEqualTypeOf<
      FlowWithContext<Text, number>
    >();
    committableSource(of).via(handleCommittable(({ value }) => value.length, { otherwise: discard("no") }));
    expectTypeOf(handleCommittable((_: Text) => undefined, { otherwise: "stop" })).toEqualTypeOf<
      Flow<{ readonly record: Text; readonly offset: CommittableOffset }, CommittableOffset>
    >();
    // @ts-expect-error a policy says what becomes of a record that has failed for good
    expect(() => handle((each: Text) => each, { attempts: 3 })).to.throw();
  });
});
