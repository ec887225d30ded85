import { type FollowedSettings, KafkaConnectorError } from "@millrace/kafka";
import type { Logger } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { deflateRawSync } from "node:zlib";
import { decodeFinished } from "../../../src/ledger/finished-set/decode-finished.js";
import { encodeFinished } from "../../../src/ledger/finished-set/encode-finished.js";
import { sealFrame } from "../../../src/ledger/finished-set/frame.js";
import { records } from "../../support/fake-chunk.js";
import { FollowedRig } from "../../support/followed-rig.js";
import { Gate } from "../../../../../test/support/gate.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, until } from "../../support/until.js";
import { numbered } from "../../../src/client/codes.js";

/** A logger, and what it was told about something. */
const lines = () => {
  const told: [level: string, message: string, fields: unknown][] = [];
  const add =
    (level: string) =>
    (message: string, fields?: unknown): void =>
      void told.push([level, message, fields]);
  const logger: Logger = { debug: add("debug"), info: add("info"), warn: add("warn"), error: add("error") };
  const about = (words: RegExp) =>
    told.filter(([, message]) => words.test(message)).map(([level, , fields]) => [level, fields]);
  return { logger, about };
};

describe("a source with offset context", () => {
  let rig: FollowedRig;
  beforeEach(() => {
    rig = new FollowedRig();
  });
  afterEach(() => rig.kafka.verify());

  describe("that remembers what is finished above the position", () => {
    it("is refused where the driver sends no metadata", () => {
      rig.kafka.commitsMetadata = false;
      expect(errorOf(() => rig.source({ rememberFinished: true }))).to.include({ code: "INVALID_SETTINGS" });
    });

    it("stores it with the commit, and the next owner skips it", () =>
      assertAllClosed(async () => {
        const first = rig.unordered({ rememberFinished: true });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 5));
        await rig.started(5);
        rig.gate.open("0@0", "0@2", "0@4");
        await until(() => rig.kafka.client.of("commit").at(-1)?.positions[0]?.offset === 1, "a commit");
        await until(() => first.explain().partitions[0]?.behindWatermark === 2, "all to end");
        rig.gate.fail("0@1", new Error("crash"));
        await first.isShutdown.catch(() => undefined);
        const stored = rig.kafka.client.of("commit").at(-1)!.positions;
        rig.gate = new Gate();
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = stored;
          consumer.onWatermarks = () => ({ low: 0, high: 5 });
        };
        const log = lines();
        const second = rig.unordered({ rememberFinished: true, kafka: { ...rig.kafka.settings, logger: log.logger } });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 1, 5));
        await rig.started(3);
        expect(rig.gate.started).to.deep.equal(["0@1", "0@3", "0@5"]);
        expect(log.about(/not delivered again/)).to.deep.equal([
          ["info", { groupId: "g", ...p0, position: 1, records: 2, last: 4 }],
        ]);
        rig.gate.open("0@1", "0@3", "0@5");
        await until(() => rig.last()?.[0]?.[1] === 6, "a commit of all");
        await second.drainAndShutdown();
      }));

    it("stores it as well when a partition is given up of which nothing else was finished", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ rememberFinished: true, revokeTimeoutMs: 20 }, 60_000);
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started(3);
        rig.gate.open("0@2");
        await until(() => control.explain().partitions[0]?.behindWatermark === 1, "one to end");
        await rig.kafka.client.revoke(p0);
        const told = rig.kafka.client.of("commit").at(-1)?.positions[0];
        expect(told).to.include({ offset: 0 });
        expect(told?.metadata).to.be.a("string").that.is.not.empty;
        rig.gate.open("0@0", "0@1");
        await control.drainAndShutdown();
      }));

    it("goes on without it when the broker finds the metadata too large", () =>
      assertAllClosed(async () => {
        const control = rig.unordered({ rememberFinished: true });
        rig.kafka.client.onCommit = (commit) =>
          commit.positions.some(({ metadata }) => metadata !== undefined)
            ? commit.fail(new KafkaConnectorError("COMMIT_FAILED", "metadata too large", numbered(12)))
            : commit.acknowledge();
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 3));
        await rig.started(3);
        rig.gate.open("0@0", "0@2");
        await until(() => control.explain().partitions[0]?.committed === 1, "a commit");
        rig.gate.open("0@1");
        await control.drainAndShutdown();
        expect(rig.last()).to.deep.equal([[0, 3]]);
      }));

    /** Metadata of a commit at position 0 that tells of offsets 1 to 49: ours, and eight letters of somebody else's. */
    const foreign = {
      "of its own": encodeFinished(
        0,
        Array.from({ length: 49 }, (_, index) => index + 1),
        100,
      )!,
      "of Parallel Consumer's, or of anybody's who writes eight letters": "bgABADE=",
    };
    for (const [whose, metadata] of Object.entries(foreign)) {
      /** What of 50 records is delivered where the partition ends as `watermarks` says. */
      const delivered = async (watermarks: () => { readonly low: number; readonly high: number }) => {
        const log = lines();
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata }];
          consumer.onWatermarks = watermarks;
        };
        const control = rig.unordered({
          rememberFinished: { parallelConsumer: true },
          kafka: { ...rig.kafka.settings, logger: log.logger },
        });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 50));
        rig.gate.openAll();
        await until(() => rig.last()?.[0]?.[1] === 50, "a commit of all");
        await control.drainAndShutdown();
        return { started: rig.gate.started, log };
      };

      it(`does not believe metadata ${whose} about records that the partition does not have, and says so`, () =>
        assertAllClosed(async () => {
          const { started, log } = await delivered(() => ({ low: 0, high: 49 }));
          expect(started).to.have.length(50);
          expect(log.about(/beyond the partition's end/)).to.deep.equal([
            ["warn", { groupId: "g", ...p0, position: 0, records: 49, last: 49, end: 49 }],
          ]);
        }));

      it(`does not believe metadata ${whose} where the partition's end is not known, and says so`, () =>
        assertAllClosed(async () => {
          const error = new KafkaConnectorError("CLIENT_FAILED", "no leader", { retriable: true });
          const { started, log } = await delivered(() => {
            throw error;
          });
          expect(started).to.have.length(50);
          expect(log.about(/could not be read/)).to.deep.equal([["warn", { groupId: "g", error }]]);
        }));

      it(`skips what metadata ${whose} lists below the partition's end, and says how much`, () =>
        assertAllClosed(async () => {
          const { started, log } = await delivered(() => ({ low: 0, high: 50 }));
          expect(started).to.deep.equal(["0@0"]);
          expect(log.about(/not delivered again/)).to.deep.equal([
            ["info", { groupId: "g", ...p0, position: 0, records: 49, last: 49 }],
          ]);
        }));
    }

    it("goes on committing behind metadata that lists a hundred thousand runs in eighty letters", () =>
      assertAllClosed(async () => {
        const payload = Buffer.alloc(32 * 1024, 0b10101010);
        const body = deflateRawSync(payload);
        const metadata = sealFrame(0, { form: 3, payloadLength: payload.length, body });
        expect(metadata.length).to.be.at.most(80);
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata }];
          consumer.onWatermarks = () => ({ low: 0, high: 1_000_000 });
        };
        const control = rig.unordered({ rememberFinished: true });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 4));
        rig.gate.openAll();
        // Offsets 1 and 3 are told of as finished.
        await until(() => rig.last()?.[0]?.[1] === 4, "a commit of all");
        expect(rig.gate.started).to.deep.equal(["0@0", "0@2"]);
        const told = rig.kafka.client.of("commit").at(-1)?.positions[0]?.metadata;
        const finished = decodeFinished(4, told);
        expect([4, 5, 6, 7].map((offset) => finished.has(offset))).to.deep.equal([false, true, false, true]);
        await control.drainAndShutdown();
      }));

    /** Who names the place where partition 0 begins. */
    const named: Readonly<Record<string, Partial<FollowedSettings<string, string>>>> = {
      "an offset of its assignment": { assignment: [{ ...p0, offset: 0 }, p1] },
      "a time of its assignment": { assignment: [{ ...p0, timestamp: 5 }, p1] },
      startAt: { assignment: [p0], startAt: "beginning" },
    };
    for (const [who, reading] of Object.entries(named)) {
      it(`delivers everything from where it is to begin by ${who}, whatever an old commit lists`, () =>
        assertAllClosed(async () => {
          const metadata = encodeFinished(0, [1, 2, 3], 100)!;
          rig.kafka.onConsumer = (consumer) => {
            consumer.stored = [p0, p1].map((place) => ({ ...place, offset: 0, metadata }));
            consumer.onWatermarks = () => ({ low: 0, high: 5 });
            consumer.onTimes = () => [{ ...p0, offset: 0 }];
          };
          const control = rig.unordered({ rememberFinished: true, topics: undefined as never, ...reading });
          await until(() => rig.kafka.client.of("subscribe").length === 1, "a subscription");
          rig.kafka.client.give([...records("t", 0, 0, 5), ...records("t", 1, 0, 5)]);
          rig.gate.openAll();
          await until(() => control.report().every(({ committed }) => committed === 5), "a commit of all");
          const started = (partition: number) => rig.gate.started.filter((each) => each.startsWith(`${partition}@`));
          expect(started(0)).to.deep.equal(["0@0", "0@1", "0@2", "0@3", "0@4"]);
          // Nobody has named where the other one begins.
          expect(started(1)).to.deep.equal(reading.assignment?.length === 2 ? ["1@0", "1@4"] : []);
          await control.drainAndShutdown();
        }));
    }

    it("delivers everything from where the user seeks, whatever the commit listed that it began with", () =>
      assertAllClosed(async () => {
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata: encodeFinished(0, [1, 2, 3], 100)! }];
          consumer.onWatermarks = () => ({ low: 0, high: 5 });
        };
        const control = rig.unordered({ rememberFinished: true });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 5));
        rig.gate.openAll();
        await until(() => control.report()[0]?.committed === 5, "a commit of all");
        rig.gate = new Gate();
        await control.seek([{ ...p0, offset: 1 }]);
        rig.kafka.client.give(records("t", 0, 1, 4));
        await rig.started(4);
        rig.gate.open("0@1", "0@3");
        // And what is finished from now on is told as before.
        await until(() => rig.kafka.client.of("commit").at(-1)?.positions[0]?.offset === 2, "a commit");
        const told = decodeFinished(2, rig.kafka.client.of("commit").at(-1)?.positions[0]?.metadata);
        expect([told.has(3), told.has(4)]).to.deep.equal([true, false]);
        rig.gate.open("0@2", "0@4");
        await control.drainAndShutdown();
      }));

    it("never fails on metadata it does not know", () =>
      assertAllClosed(async () => {
        rig.kafka.onConsumer = (consumer) => {
          consumer.stored = [{ ...p0, offset: 0, metadata: "somebody else's" }];
        };
        const control = rig.unordered({ rememberFinished: { parallelConsumer: true } });
        await rig.kafka.client.assign(p0);
        rig.kafka.client.give(records("t", 0, 0, 1));
        await rig.started(1);
        rig.gate.open("0@0");
        await control.drainAndShutdown();
      }));
  });
});
