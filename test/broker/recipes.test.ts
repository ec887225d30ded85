/** What the guides show, composed as their readers would, on a real broker. */
import {
  atMostOnceSource,
  attempt,
  committableSink,
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  DrainingControl,
  json,
  passThrough,
  plainPartitionedSource,
  plainSource,
  produce,
  type ProducerEnvelope,
  producerFlow,
  producerFlowWithContext,
  type ProducerRecord,
  produceMulti,
  type CommittableOffset,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink, Supervision } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
const numbers = (texts: readonly (string | null)[]): readonly number[] => texts.map(Number);
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("recipes, on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let topic: string;
  let copy: string;
  let count = 0;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });
  beforeEach(async () => {
    topic = `recipes-${process.pid}-${count++}`;
    copy = `${topic}-copy`;
    await Promise.all([topic, copy].map((name) => kafka.createTopic(name, { partitions: 1 })));
  });
  afterEach(() => eventually("every client is closed", () => liveRuns() === 0));

  const write = (...values: readonly string[]): Promise<void> =>
    fill(
      kafka.brokers,
      values.map((value) => ({ topic, partition: 0, key: null, value: Buffer.from(value) })),
    );
  const writeNumbers = (to: number): Promise<void> => write(...range(0, to).map(String));
  const cluster = () => ({ brokers: kafka.brokers, groupId: topic });
  /** Everything there is, and then the stream is over. */
  const input = () => ({
    kafka: cluster(),
    topics: [topic],
    value: string(),
    autoOffsetReset: "earliest" as const,
    until: "end" as const,
  });
  const output = () => ({ kafka: cluster(), value: string() });
  const committed = async (): Promise<number | undefined> =>
    (await committedPositions(kafka.brokers, topic, topic, 1))[0];
  const copies = async (): Promise<readonly string[]> =>
    plainSource({
      kafka: cluster(),
      assignment: [{ topic: copy, partition: 0, offset: "beginning" }],
      value: string(),
      until: "end",
    })
      .map(({ value }) => value)
      .runWith(Sink.toArray());

  describe("where to keep the position", () => {
    it("E-01 with the data: each run begins at the offset that was stored with its row", async () => {
      await writeNumbers(10);
      const database = { rows: [] as string[], next: 0 };
      const life = (records: number): Promise<void> =>
        plainSource({
          kafka: cluster(),
          assignment: [{ topic, partition: 0, offset: database.next }],
          value: string(),
        })
          .take(records)
          .mapAsync(1, async ({ value, offset }) => {
            database.rows.push(value);
            database.next = offset + 1;
          })
          .runWith(Sink.ignore);
      await life(7);
      await life(3);
      expect(numbers(database.rows)).to.deep.equal(range(0, 10));
    });

    it("E-02 before the work: at most once", async () => {
      await writeNumbers(10);
      const seen: string[] = [];
      const life = (fails: boolean): Promise<void> =>
        atMostOnceSource({ ...input(), maxPollRecords: 1 })
          .map(({ value }) => {
            seen.push(value);
            if (fails && value === "4") throw new Error("crash");
          })
          .runWith(Sink.ignore);
      expect(await failureOf(life(true))).to.have.property("message", "crash");
      await life(false);
      expect(numbers(seen)).to.deep.equal(range(0, 10));
    });

    it("E-03 after the work: at least once", async () => {
      await writeNumbers(10);
      const done: string[] = [];
      const life = async (fails: boolean): Promise<void> => {
        const control = committableSource(input())
          .mapAsync(1, async ({ record, offset }) => {
            if (fails && record.value === "4") throw new Error("crash");
            done.push(record.value);
            return offset;
          })
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
          .run();
        await control.streamCompletion;
      };
      expect(await failureOf(life(true))).to.have.property("message", "crash");
      await life(false);
      expect([...new Set(numbers(done))]).to.deep.equal(range(0, 10));
      expect(await committed()).to.equal(10);
    });

    it("E-04 the same where offsets follow by themselves, in any order", async () => {
      await writeNumbers(10);
      const done = new Set<string>();
      const life = async (fails: boolean): Promise<void> => {
        const control = sourceWithOffsetContext(input())
          .mapAsyncUnordered(4, async ({ value }) => {
            await new Promise((resolve) => setTimeout(resolve, 10 - Number(value)));
            if (fails && value === "4") throw new Error("crash");
            done.add(value);
          })
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
          .run();
        await control.isShutdown;
      };
      expect(await failureOf(life(true))).to.have.property("message", "crash");
      expect(await committed()).to.be.at.most(4);
      await life(false);
      expect([...done].map(Number).sort((a, b) => a - b)).to.deep.equal(range(0, 10));
      expect(await committed()).to.equal(10);
    });
  });

  describe("how to commit", () => {
    it("E-05 in batches that grow while the committer is busy", async () => {
      await writeNumbers(50);
      const sizes: number[] = [];
      await committableSource(input())
        .map(({ offset }) => offset)
        .batch(20, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
        .map((batch) => {
          sizes.push(batch.size);
          return batch;
        })
        .runWith(committerSink({ maxBatch: 1, parallelism: 1 }));
      expect(sizes.reduce((sum, size) => sum + size, 0)).to.equal(50);
      expect(Math.max(...sizes)).to.be.within(2, 20);
      expect(await committed()).to.equal(50);
    });

    it("E-06 by the committer's own batches", async () => {
      await writeNumbers(50);
      const [control, done] = committableSource(input())
        .map(({ offset }) => offset)
        .toMat(committerSink({ maxBatch: 20 }), Keep.both)
        .run();
      await done;
      expect(control.metrics().commits).to.be.within(1, 3);
      await control.isShutdown;
      expect(await committed()).to.equal(50);
    });

    it("E-13 five at a time, where offsets follow by themselves", async () => {
      await writeNumbers(12);
      const batches: number[] = [];
      const control = sourceWithOffsetContext(input())
        .map(({ value }) => value)
        .grouped(5)
        .mapAsync(1, async (values) => {
          batches.push(values.length);
        })
        .toMat(committerSink(), DrainingControl.from)
        .run();
      await control.isShutdown;
      expect(batches).to.deep.equal([5, 5, 2]);
      expect(await committed()).to.equal(12);
    });
  });

  describe("what to produce of a record", () => {
    /** Nothing of every third, one copy of every second, two of the others. */
    const outputs = (value: string): readonly ProducerRecord<string, string>[] => {
      const times = Number(value) % 3 === 0 ? 0 : 1 + (Number(value) % 2);
      return Array.from({ length: times }, (_, index) => ({ topic: copy, value: `${value}.${index}` }));
    };
    const expected = ["1.0", "1.1", "2.0", "4.0", "5.0", "5.1", "7.0", "7.1", "8.0"];

    it("E-10 several records, finished together", async () => {
      await writeNumbers(5);
      await committableSource(input())
        .map(({ record: { value }, offset }) =>
          produceMulti(
            [
              { topic: copy, value: `${value} a` },
              { topic: copy, value: `${value} b` },
            ],
            offset,
          ),
        )
        .via(producerFlow<string, string, CommittableOffset>(output()))
        .map((result) => result.passThrough)
        .batch(20, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
        .runWith(committerSink());
      expect(await copies()).to.deep.equal(range(0, 5).flatMap((number) => [`${number} a`, `${number} b`]));
      expect(await committed()).to.equal(5);
    });

    it("E-11 none, one or several, as the record says", async () => {
      await writeNumbers(10);
      const envelope = (
        value: string,
        offset: CommittableOffset,
      ): ProducerEnvelope<string, string, CommittableOffset> => {
        const [first, ...more] = outputs(value);
        if (first === undefined) return passThrough(offset);
        return more.length === 0 ? produce(first, offset) : produceMulti([first, ...more], offset);
      };
      await committableSource(input())
        .map(({ record, offset }) => envelope(record.value, offset))
        .runWith(committableSink(output()));
      expect(await copies()).to.deep.equal(expected);
      expect(await committed()).to.equal(10);
    });

    it("E-12 the same where offsets follow by themselves", async () => {
      await writeNumbers(10);
      const control = sourceWithOffsetContext(input())
        .map(({ value }) => outputs(value))
        .via(producerFlowWithContext(output()))
        .toMat(committerSink(), DrainingControl.from)
        .run();
      await control.isShutdown;
      expect(await copies()).to.deep.equal(expected);
      expect(await committed()).to.equal(10);
    });
  });

  describe("how to end", () => {
    const endless = () => {
      const { until: _until, ...settings } = input();
      return settings;
    };

    it("E-14 by the control, which ends the stream and closes the client", async () => {
      await writeNumbers(10);
      const seen: string[] = [];
      const [control, done] = plainSource(endless())
        .toMat(
          Sink.forEach(({ value }) => void seen.push(value)),
          Keep.both,
        )
        .run();
      await eventually("all are read", () => seen.length === 10);
      await control.shutdown();
      await done;
      await control.isShutdown;
      expect(numbers(seen)).to.deep.equal(range(0, 10));
    });

    it("E-15 by draining: what is in flight is finished and committed first, however large the batch", async () => {
      await writeNumbers(50);
      const done: string[] = [];
      const control = committableSource({ ...endless(), maxPollRecords: 10 })
        .mapAsync(5, async ({ record, offset }) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          done.push(record.value);
          return offset;
        })
        .toMat(committerSink({ maxBatch: 1000, maxIntervalMs: 60_000 }), DrainingControl.from)
        .run();
      await eventually("some are done", () => done.length > 5);
      const { partitions } = await control.drainAndShutdown();
      expect(await committed()).to.equal(done.length);
      expect(partitions.map(({ committed: position }) => position)).to.deep.equal([done.length]);
    });
  });

  describe("what to do about a record that cannot be read", () => {
    const bad = ['{"id":1}', "{", '{"id":3}'];

    it("D-06 it fails the stream, with the decoder's own error as the cause", async () => {
      await write(...bad);
      const seen: unknown[] = [];
      const failure = await failureOf(
        plainSource({ ...input(), value: json() })
          .map(({ value }) => seen.push(value))
          .runWith(Sink.ignore),
      );
      expect(failure).to.include({ code: "DESERIALIZATION_FAILED" });
      expect((failure as Error).cause).to.be.instanceOf(SyntaxError);
      expect(seen).to.deep.equal([{ id: 1 }]);
    });

    it("D-01 it is skipped under a resuming decider, where it is parsed in map", async () => {
      await write(...bad);
      const parsed: unknown[] = [];
      const [control, done] = committableSource(input())
        .map(({ record, offset }) => {
          parsed.push(JSON.parse(record.value));
          return offset;
        })
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(committerSink(), Keep.both)
        .run();
      await done;
      await control.isShutdown;
      expect(parsed).to.deep.equal([{ id: 1 }, { id: 3 }]);
      expect(await committed()).to.equal(3);
    });

    it("D-06 with attempt it is an element, and can be parked", async () => {
      await write(...bad);
      const control = sourceWithOffsetContext({ ...input(), value: attempt(json()) })
        .map(({ value }) => (value.ok ? [] : [{ topic: copy, value: String(value.bytes) }]))
        .via(producerFlowWithContext(output()))
        .toMat(committerSink(), DrainingControl.from)
        .run();
      await control.isShutdown;
      expect(await copies()).to.deep.equal(["{"]);
      expect(await committed()).to.equal(3);
    });

    it("D-08 it fails the stream of its partition", async () => {
      await write(...bad);
      const failures: unknown[] = [];
      const control = plainPartitionedSource({ ...endlessJson(), restartBackoff: { minMs: 60_000, maxMs: 60_000 } })
        .mapAsyncUnordered(1, ({ source }) =>
          source.runWith(Sink.ignore).catch((error: unknown) => void failures.push(error)),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await eventually("the failure", () => failures.length === 1);
      await control.drainAndShutdown();
      expect(failures).to.have.length(1);
      expect(failures[0]).to.include({ code: "DESERIALIZATION_FAILED" });
    });

    const endlessJson = () => ({
      kafka: cluster(),
      topics: [topic],
      value: json(),
      autoOffsetReset: "earliest" as const,
    });
  });
});
