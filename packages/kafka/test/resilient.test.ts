import {
  type ConsumerRecord,
  deadLetters,
  discard,
  type HandlerAttempt,
  json,
  resilient,
  string,
} from "@millrace/kafka";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";
import { z } from "zod";
import { LetterRig } from "./support/letter-rig.js";
import { p0 } from "./support/pipelines.js";
import { until } from "./support/until.js";

const Order = z.object({ id: z.string() });

describe("a resilient consumer", () => {
  let rig: LetterRig;
  beforeEach(() => {
    rig = new LetterRig();
  });
  afterEach(() => rig.kafka.verify());

  it("handles, tries again, writes dead letters, leaves out, and commits", async () => {
    const seen: string[] = [];
    const control = resilient({
      ...rig.settings,
      ...{ key: string(), value: json(Order), undecodable: deadLetters() },
      handle: ({ value: { id } }, { number }) => {
        seen.push(`${id}#${number}`);
        if (id === "bad" || (id === "flaky" && number === 1)) throw new Error("503");
      },
      ...{ attempts: 2, backoff: { minMs: 10, jitter: 0 }, committer: { maxIntervalMs: 1 } },
      otherwise: discard("twice is enough"),
    }).run({ clock: rig.clock });
    await rig.client.assign(p0);
    const values = ['{"id":"good"}', '{"id":"bad"}', '{"id":"flaky"}', "poison"];
    rig.client.give(values.map((value, offset) => ({ ...p0, offset, key: `k${offset}`, value })));
    await rig.meanwhile(() => rig.committed.at(-1) === 4, "the commit");
    expect(seen.sort()).to.deep.equal(["bad#1", "bad#2", "flaky#1", "flaky#2", "good#1"]);
    expect(rig.sent.map(({ record }) => String(record.value))).to.deep.equal(["poison"]);
    expect(control.metrics()).to.include({ processed: 2, discarded: 1, parked: 1 });
    expect(control.health()).to.deep.equal({ live: true, ready: true, reasons: [] });
    await control.drainAndShutdown();
  });

  it("begins again after a record that stops it, from what is committed", async () => {
    let fails = true;
    const control = resilient({
      ...rig.settings,
      handle: () => {
        if (fails) throw new Error("down");
      },
      ...{
        attempts: 1,
        otherwise: "stop",
        restart: { minBackoffMs: 100, randomFactor: 0 },
        committer: { maxIntervalMs: 1 },
      },
    }).run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "v" }]);
    await until(() => control.state === "waiting", "the failure");
    expect(control.health()).to.deep.include({ live: true, ready: false });
    fails = false;
    await rig.meanwhile(() => rig.kafka.consumers.length === 2, "the restart");
    rig.source = 1;
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, value: "v" }]);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    await control.drainAndShutdown();
  });

  it("refuses what its parts refuse, when it is built", () => {
    const handle = (): void => undefined;
    const of = (settings: object) => () =>
      resilient({ ...rig.settings, handle, otherwise: "stop", ...settings } as never);
    expect(of({})).not.to.throw();
    expect(of({ attempts: 0 })).to.throw(/attempts/);
    expect(of({ otherwise: undefined })).to.throw(/required: "stop"/);
    expect(of({ topics: [] })).to.throw(/topics/);
    expect(of({ kafka: undefined })).to.throw(/kafka/);
    expect(of({ atempts: 3 })).to.throw(/There is no such setting here/);
    expect(of({ restart: { maxRestarts: -1 } })).to.throw(/maxRestarts/);
    expect(of({ committer: { maxBatch: 0 } })).to.throw(/maxBatch/);
    rig.kafka.sendsBytesInHeaders = false;
    expect(of({ undecodable: deadLetters({ headers: "spring" }) })).to.throw(/needs bytes in headers/);
  });

  it("follows the types of its serdes", () => {
    resilient({
      ...rig.settings,
      value: json(Order),
      handle: (record, attempt) => {
        expectTypeOf(record).toEqualTypeOf<ConsumerRecord<string, { id: string }>>();
        expectTypeOf(attempt).toEqualTypeOf<HandlerAttempt>();
      },
      otherwise: "stop",
    });
    // @ts-expect-error a consumer says what becomes of a record that has failed for good
    expect(() => resilient({ ...rig.settings, handle: () => undefined })).to.throw();
  });
});
