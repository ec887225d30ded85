import {
  committablePartitionedManualOffsetSource,
  committablePartitionedSource,
  type CommittableSettings,
  committerSink,
  DrainingControl,
  plainPartitionedManualOffsetSource,
  plainPartitionedSource,
  string,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { errorOf, morePolls, rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";

describe("a source of partitions", () => {
  let kafka: FakeKafka;
  let seen: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    seen = [];
  });
  afterEach(() => kafka.verify());

  const settings = () => ({ kafka: kafka.settings, topics: ["t"], value: string(), restartBackoff: { minMs: 1 } });
  const note = ({ partition, offset }: { readonly partition: number; readonly offset: number }): void => {
    seen.push(`${partition}@${offset}`);
  };

  /** Every partition into a committer; `handle` may throw, and then only its partition's stream fails. */
  const committing = (
    handle: (name: string) => unknown = () => undefined,
    more: Partial<CommittableSettings<string, string>> = {},
  ) =>
    committablePartitionedSource({ ...settings(), ...more })
      .mapAsyncUnordered(10, async ({ source }) => {
        try {
          await source
            .mapAsync(1, async ({ record, offset }) => {
              note(record);
              await handle(`${record.partition}@${record.offset}`);
              return offset;
            })
            .runWith(committerSink({ maxBatch: 1 }));
        } catch {
          seen.push("failed");
        }
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();

  const committed = (partition: number): number | undefined =>
    kafka.client
      .of("commit")
      .flatMap(({ positions }) => positions)
      .filter((each) => each.partition === partition)
      .at(-1)?.offset;

  it("P-37 reads a partition that failed again from its last unfinished record, while the others go on", () =>
    assertAllClosed(async () => {
      let failures = 2;
      const control = committing((name) => {
        if (name === "0@2" && failures-- > 0) throw new Error("handler");
      });
      await kafka.client.assign(p0, p1);
      kafka.client.onSeek = ([position]) => {
        const { offset } = position!;
        setImmediate(() => kafka.client.give(records("t", 0, offset, 5 - offset)));
      };
      kafka.client.give(records("t", 0, 0, 5));
      await until(() => committed(0) === 5, "all of the failing partition to be committed");
      kafka.client.give(records("t", 1, 0, 2));
      await until(() => committed(1) === 2, "the other");
      expect(kafka.client.of("seek").map(({ positions }) => positions)).to.deep.equal([
        [{ ...p0, offset: 2 }],
        [{ ...p0, offset: 2 }],
      ]);
      const zero = seen.filter((each) => each.startsWith("0@"));
      expect(zero.filter((each) => each === "0@2")).to.have.length(3);
      expect(new Set(zero).size).to.equal(5);
      const report = await control.drainAndShutdown();
      expect(report.expectedReplays).to.be.greaterThan(0);
    }));

  it("misses nothing that was read while nobody took the partition", () =>
    assertAllClosed(async () => {
      let opened = 0;
      const control = committablePartitionedSource({ ...settings(), restartBackoff: { minMs: 50 } })
        .mapAsyncUnordered(10, ({ source }) => {
          opened += 1;
          return source
            .take(opened === 1 ? 0 : 9)
            .map(({ record, offset }) => {
              note(record);
              return offset;
            })
            .runWith(committerSink({ maxBatch: 1 }));
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      await until(() => opened === 1, "a source that wants nothing");
      kafka.client.onSeek = ([position]) => {
        setImmediate(() => kafka.client.give(records("t", 0, position!.offset, 2)));
      };
      kafka.client.give(records("t", 0, 3, 2));
      await until(() => committed(0) === 5, "the records");
      expect(kafka.client.of("seek")[0]?.positions).to.deep.equal([{ ...p0, offset: 3 }]);
      await control.drainAndShutdown();
    }));

  it("does not read a failed partition again once it was revoked", () =>
    assertAllClosed(async () => {
      const control = committing(() => {
        throw new Error("handler");
      });
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => seen.length > 0, "a record");
      await kafka.client.revoke(p0);
      const seeks = kafka.client.of("seek").length;
      await morePolls(kafka.client, 5);
      expect(kafka.client.of("seek").length).to.equal(seeks);
      await control.drainAndShutdown();
    }));

  it("lets a partition with a poison record fail alone", () =>
    assertAllClosed(async () => {
      const poison = { decode: (value: Buffer | null) => (String(value) === "v1" ? errorThrown() : String(value)) };
      const errorThrown = (): never => {
        throw new TypeError("poison");
      };
      const control = committing(undefined, { value: poison, restartBackoff: { minMs: 60_000, maxMs: 60_000 } });
      await kafka.client.assign(p0, p1);
      kafka.client.give(records("t", 0, 0, 2));
      await until(() => seen.includes("failed"), "a failure");
      kafka.client.give([{ ...p1, offset: 7, value: "fine" }]);
      await until(() => committed(1) === 8, "the other partition");
      await control.drainAndShutdown();
    }));

  it("refuses an assignment, and metadata that the driver cannot send", () => {
    const assigned = { kafka: kafka.settings, assignment: [p0] };
    expect(errorOf(() => plainPartitionedSource(assigned))).to.include({ code: "INVALID_SETTINGS" });
    kafka.commitsMetadata = false;
    expect(errorOf(() => committablePartitionedSource({ ...settings(), metadata: () => "m" }))).to.include({
      code: "INVALID_SETTINGS",
    });
  });

  it("refuses a graph that loses the order of a partition's offsets", () =>
    assertAllClosed(async () => {
      const errors: unknown[] = [];
      const control = committablePartitionedSource(settings())
        .map(({ source }) => {
          const graph = source
            .mapAsyncUnordered(2, async ({ offset }) => offset)
            .toMat(committerSink(), (_, done) => done);
          errors.push(errorOf(() => graph.run()));
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      await until(() => errors.length === 1, "a refusal");
      expect(errors[0]).to.include({ code: "UNSAFE_GRAPH" });
      await control.drainAndShutdown();
    }));

  it("P-04 P-05 P-06 emits a source for each assignment, which completes when its partition is revoked", () =>
    assertAllClosed(async () => {
      const ended: number[] = [];
      const opened: number[] = [];
      const control = plainPartitionedSource(settings())
        .mapAsyncUnordered(10, async ({ partition, source }) => {
          opened.push(partition);
          await source.runWith(Sink.forEach(note));
          ended.push(partition);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0, p1);
      await until(() => opened.length === 2, "two sources");
      await kafka.client.revoke(p0);
      await until(() => ended.length === 1, "one to end");
      expect(ended).to.deep.equal([0]);
      kafka.client.give(records("t", 1, 0, 1));
      await until(() => seen.includes("1@0"), "the other to go on");
      await kafka.client.assign(p0);
      await until(() => opened.length === 3, "another source");
      kafka.client.give(records("t", 0, 4, 1));
      await until(() => seen.includes("0@4"), "its record");
      await control.drainAndShutdown();
      expect(opened).to.deep.equal([0, 1, 0]);
    }));

  it("P-17 S-38 completes all sources on stop", () =>
    assertAllClosed(async () => {
      let ended = 0;
      const control = plainPartitionedSource(settings())
        .mapAsyncUnordered(10, async ({ source }) => {
          await source.runWith(Sink.ignore);
          ended += 1;
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0, p1);
      await morePolls(kafka.client, 2);
      await control.stop();
      await control.streamCompletion;
      expect(ended).to.equal(2);
    }));

  it("P-36 misses nothing when a source is cancelled again and again", () =>
    assertAllClosed(async () => {
      const control = committablePartitionedSource(settings())
        .mapAsyncUnordered(10, ({ source }) =>
          source
            .take(10)
            .map(({ record, offset }) => {
              note(record);
              return offset;
            })
            .runWith(committerSink()),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.onSeek = ([position]) => {
        const { offset } = position!;
        if (offset < 30) setImmediate(() => kafka.client.give(records("t", 0, offset, 30 - offset)));
      };
      kafka.client.give(records("t", 0, 0, 30));
      await until(() => committed(0) === 30, "all to be committed");
      expect(seen).to.deep.equal(Array.from({ length: 30 }, (_, offset) => `0@${offset}`));
      await control.drainAndShutdown();
    }));

  describe("with offsets from elsewhere", () => {
    it("fails when they cannot be had, and delivers nothing from a wrong place", () =>
      assertAllClosed(async () => {
        const failure = new Error("no database");
        const control = plainPartitionedManualOffsetSource({
          ...settings(),
          getOffsetsOnAssign: () => Promise.reject(failure),
        })
          .mapAsyncUnordered(10, ({ source }) => source.runWith(Sink.forEach(note)))
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 5));
        expect(await rejectionOf(control.streamCompletion)).to.equal(failure);
        expect(seen).to.deep.equal([]);
      }));

    it("P-07 P-08 P-09 P-11 P-30 asks for what is assigned, and begins there before anything is read", () =>
      assertAllClosed(async () => {
        const asked: (readonly object[])[] = [];
        const answer = new Latch();
        const control = plainPartitionedManualOffsetSource({
          ...settings(),
          getOffsetsOnAssign: async (partitions) => {
            asked.push(partitions);
            await answer.opened;
            return [{ ...p0, offset: 300 }];
          },
        })
          .mapAsyncUnordered(10, ({ source }) => source.runWith(Sink.forEach(note)))
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        const assigning = kafka.client.assign(p0, p1);
        await until(() => asked.length === 1, "the question");
        kafka.client.give(records("t", 0, 0, 1));
        answer.open();
        await assigning;
        expect(asked).to.deep.equal([[p0, p1]]);
        expect(kafka.client.of("assigned")).to.deep.equal([
          { call: "assigned", partitions: [{ ...p0, offset: 300 }, p1] },
        ]);
        await kafka.client.revoke(p0, p1);
        await kafka.client.assign(p1);
        expect(asked).to.deep.equal([[p0, p1], [p1]]);
        await control.drainAndShutdown();
      }));

    it("asks again for a partition whose stream failed", () =>
      assertAllClosed(async () => {
        let stored = 5;
        const control = plainPartitionedManualOffsetSource({
          ...settings(),
          getOffsetsOnAssign: () => [{ ...p0, offset: stored }],
        })
          .mapAsyncUnordered(10, ({ source }) =>
            source
              .runWith(
                Sink.forEach((record) => {
                  note(record);
                  if (record.offset === 6 && stored === 5) {
                    stored = 6;
                    throw new Error("handler");
                  }
                }),
              )
              .catch(() => undefined),
          )
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.onSeek = ([position]) => {
          setImmediate(() => kafka.client.give(records("t", 0, position!.offset, 2)));
        };
        kafka.client.give(records("t", 0, 5, 3));
        await until(() => seen.length === 4, "the records again");
        expect(seen).to.deep.equal(["0@5", "0@6", "0@6", "0@7"]);
        await control.drainAndShutdown();
      }));

    it("P-10 P-13 reports what was revoked, and commits as well", () =>
      assertAllClosed(async () => {
        const revoked: (readonly object[])[] = [];
        const control = committablePartitionedManualOffsetSource({
          ...settings(),
          getOffsetsOnAssign: (partitions) => partitions.map((each) => ({ ...each, offset: 51 })),
          onRevoke: (partitions) => {
            revoked.push(partitions);
          },
        })
          .mapAsyncUnordered(10, ({ source }) =>
            source.map(({ offset }) => offset).runWith(committerSink({ maxBatch: 1 })),
          )
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 51, 2));
        await until(() => committed(0) === 53, "a commit");
        await kafka.client.revoke(p0);
        expect(revoked).to.deep.equal([[p0]]);
        await control.drainAndShutdown();
      }));
  });
});
