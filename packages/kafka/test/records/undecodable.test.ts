import {
  atMostOnceSource,
  type Committable,
  committablePartitionedSource,
  committableSource,
  committerSink,
  type ConsumerRecord,
  DeserializationError,
  type Deserializer,
  discard,
  DrainingControl,
  isUndecodable,
  plainSource,
  type ReadRecord,
  sourceWithOffsetContext,
  type UndecodableRecord,
} from "@millrace/kafka";
import { Keep, type Logger, Sink, type Source, type SourceWithContext } from "@millrace/streams";
import { assertAllClosed, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { expectTypeOf } from "expect-type";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0 } from "../support/pipelines.js";
import { rejectionOf, until } from "../support/until.js";

const refused = new Error("not a number");

/** Text of a number. */
const number: Deserializer<number> = {
  decode(bytes) {
    const read = Number(bytes?.toString());
    if (Number.isNaN(read)) throw refused;
    return read;
  },
};

describe("a record that cannot be decoded", () => {
  let kafka: FakeKafka;
  let warnings: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> | undefined }[];
  beforeEach(() => {
    kafka = new FakeKafka();
    warnings = [];
  });
  afterEach(() => kafka.verify());

  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message, fields) => warnings.push({ message, fields }),
    error: () => undefined,
  };
  const settings = () => ({ kafka: { ...kafka.settings, logger }, topics: ["t"], value: number });
  const give = (...values: readonly (string | null)[]): void =>
    kafka.client.give(values.map((value, offset) => ({ ...p0, offset, key: "k", value })));
  const committed = (): readonly number[] =>
    kafka.client.of("commit").flatMap(({ positions }) => positions.map(({ offset }) => offset));

  describe("with discard", () => {
    const leftOut = { undecodable: discard("not an amount") };

    it("is left out, logged with the reason, and committed with what follows it, on every surface", async () => {
      const ends: Readonly<Record<string, () => DrainingControl<unknown>>> = {
        committable: () =>
          committableSource({ ...settings(), ...leftOut })
            .map(({ offset }) => offset)
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
            .run(),
        followed: () =>
          sourceWithOffsetContext({ ...settings(), ...leftOut })
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
            .run(),
        "at most once": () =>
          atMostOnceSource({ ...settings(), ...leftOut })
            .toMat(Sink.ignore, DrainingControl.from)
            .run(),
        partitioned: () =>
          committablePartitionedSource({ ...settings(), ...leftOut }, (source) =>
            source.map(({ offset }): Committable => offset).toMat(committerSink({ maxBatch: 1 }), Keep.right),
          )
            .toMat(Sink.ignore, DrainingControl.from)
            .run(),
      };
      for (const [name, run] of Object.entries(ends)) {
        warnings = [];
        await assertAllClosed(async () => {
          const control = run();
          await kafka.client.assign(p0);
          give("1", "bad", "3");
          await until(() => committed().at(-1) === 3, `${name} to commit`);
          expect(
            warnings.map(({ message }) => message),
            name,
          ).to.deep.equal([
            "kafka consumer: a record was left out: not an amount: The value of t[0]@1 could not be decoded: not a number.",
          ]);
          expect(warnings[0]?.fields?.["error"]).to.include({ part: "value", cause: refused });
          expect(control.metrics().discarded, name).to.equal(1);
          await control.drainAndShutdown();
        });
      }
    });

    it("is committed also where nothing follows it, on the followed surface", async () => {
      const control = sourceWithOffsetContext({ ...settings(), ...leftOut })
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      give("bad");
      await until(() => committed().at(-1) === 1, "the commit");
      await control.drainAndShutdown();
    });

    it("is logged ten times a minute, and then how many there were", async () => {
      const clock = virtualClock();
      const values: number[] = [];
      const control = plainSource({ ...settings(), ...leftOut })
        .toMat(
          Sink.forEach(({ value }: ConsumerRecord<string, number>) => void values.push(value)),
          DrainingControl.from,
        )
        .run({ clock });
      await kafka.client.assign(p0);
      give(...Array<string>(25).fill("bad"), "7");
      await until(() => values.length === 1, "the good one");
      expect(warnings).to.have.length(10);
      expect(warnings.at(-1)?.message).to.match(
        /left out: not an amount \(more of them are not logged for a minute\): The value/,
      );
      await clock.advance(60_000);
      kafka.client.give([
        { ...p0, offset: 30, key: "k", value: "bad" },
        { ...p0, offset: 31, key: "k", value: "8" },
      ]);
      await until(() => values.length === 2, "the next good one");
      expect(warnings).to.have.length(11);
      expect(warnings.at(-1)?.fields).to.include({ notLogged: 15 });
      await control.drainAndShutdown();
    });

    it("is not asked of supervision, and fails nothing else: what the stream throws does", async () => {
      const control = plainSource({ ...settings(), ...leftOut })
        .map(({ value }) => {
          throw new Error(`handled ${value}`);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      give("bad", "2");
      expect(await rejectionOf(control.streamCompletion)).to.have.property("message", "handled 2");
    });

    it("needs a reason", () => {
      for (const reason of ["", "  ", undefined as never]) {
        expect(() => discard(reason))
          .to.throw(/^discard: reason is (empty|undefined)\. Say why/)
          .with.property("code", "INVALID_SETTINGS");
      }
    });
  });

  describe('with "stop", which is the default', () => {
    it("fails the stream with an error that names the part and says what to do", async () => {
      for (const [part, serdes] of Object.entries({ key: { key: number }, value: { value: number } })) {
        const control = plainSource({ kafka: kafka.settings, topics: ["t"], undecodable: "stop", ...serdes })
          .toMat(Sink.ignore, DrainingControl.from)
          .run();
        await kafka.client.assign(p0);
        kafka.client.give([{ ...p0, offset: 4, key: "bad", value: "bad" }]);
        const error = await rejectionOf(control.streamCompletion);
        expect(error)
          .to.be.instanceOf(DeserializationError)
          .and.include({ part, cause: refused, code: "DESERIALIZATION_FAILED" });
        expect((error as Error).message).to.equal(
          `The ${part} of t[0]@4 could not be decoded: not a number. Say what becomes of such records: undecodable: discard("why") leaves them out, "element" hands them to the stream.`,
        );
      }
    });
  });

  describe('with "element"', () => {
    const asElements = { undecodable: "element" } as const;

    it("is an element with its raw bytes and its error, in its place", async () => {
      const records = plainSource({ ...settings(), ...asElements, key: number })
        .take(3)
        .runWith(Sink.toArray());
      await kafka.client.assign(p0);
      kafka.client.give([
        { ...p0, offset: 0, key: "1", value: "10" },
        { ...p0, offset: 1, key: "bad", value: "bad", headers: [["h", Buffer.from([0])]] },
        { ...p0, offset: 2, key: null, value: null },
      ]);
      const [first, second, third] = await records;
      expect(first).to.include({ key: 1, value: 10 });
      expect(isUndecodable(first!)).to.equal(false);
      expect(second).to.deep.include({ topic: "t", partition: 0, offset: 1 });
      expect(second!.headers).to.deep.equal([["h", Buffer.from([0])]]);
      if (!isUndecodable(second!)) throw new Error("it could be decoded");
      expect(second.failure.part).to.equal("key");
      expect(second.failure.error).to.include({ cause: refused });
      expect(second.raw).to.deep.equal({ key: Buffer.from("bad"), value: Buffer.from("bad") });
      // Number("undefined") is no number either.
      if (!isUndecodable(third!)) throw new Error("it could be decoded");
      expect(third.raw).to.deep.equal({ key: null, value: null });
    });

    it("has bytes of its own, which a released chunk does not take along", async () => {
      const record = plainSource({ ...settings(), ...asElements })
        .take(1)
        .runWith(Sink.head());
      await kafka.client.assign(p0);
      const value = Buffer.from("bad");
      kafka.client.give([{ ...p0, offset: 0, key: "k", value }]);
      const read = (await record) as UndecodableRecord;
      value.fill(0);
      expect(read.raw.value?.toString()).to.equal("bad");
    });

    it("carries its offset, and is committed when the stream has done with it", async () => {
      const seen: string[] = [];
      const control = committableSource({ ...settings(), ...asElements })
        .map(({ record, offset }) => {
          seen.push(
            isUndecodable(record) ? `${record.failure.part}: ${record.raw.value?.toString()}` : String(record.value),
          );
          return offset;
        })
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      give("1", "bad", "3");
      await until(() => committed().at(-1) === 3, "the commit");
      expect(seen).to.deep.equal(["1", "value: bad", "3"]);
      await control.drainAndShutdown();
    });

    it("holds back the commit as any record does, on the followed surface", async () => {
      let free: () => void = () => undefined;
      const control = sourceWithOffsetContext({ ...settings(), ...asElements })
        .mapAsyncUnordered(4, (record) =>
          isUndecodable(record) ? new Promise<void>((resolve) => (free = resolve)) : Promise.resolve(),
        )
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      give("1", "bad", "3");
      await until(() => committed().at(-1) === 1, "the first commit");
      expect(control.explain().partitions[0]?.blockedBy).to.include({ offset: 1, key: undefined });
      free();
      await until(() => committed().at(-1) === 3, "the last commit");
      await control.drainAndShutdown();
    });

    it("is narrowed by the compiler, on every source", () => {
      const of = { ...settings(), ...asElements };
      expectTypeOf(plainSource(of)).toExtend<Source<ConsumerRecord<string, number> | UndecodableRecord, unknown>>();
      expectTypeOf(sourceWithOffsetContext(of)).toExtend<
        SourceWithContext<ReadRecord<string, number, "element">, unknown>
      >();
      expectTypeOf(plainSource(settings())).toExtend<Source<ConsumerRecord<string, number>, unknown>>();
      // @ts-expect-error an undecodable record has no value
      sourceWithOffsetContext(of).filter(({ value }) => value === 1);
      committablePartitionedSource(of, (source) =>
        // @ts-expect-error nor has one of a partition
        source.filter(({ record }) => record.value === 1).toMat(Sink.ignore, Keep.right),
      );
    });
  });

  it("is refused any other treatment when the source is made", () => {
    expect(() => plainSource({ ...settings(), undecodable: "skip" as never }))
      .to.throw(/^plainSource: [^]*"stop", "element", discard\(reason\) or deadLetters\(\)[^]*at undecodable/)
      .with.property("code", "INVALID_SETTINGS");
  });
});
