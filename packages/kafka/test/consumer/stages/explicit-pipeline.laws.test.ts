import type { Source } from "@millrace/streams";
import {
  type Committable,
  type CommittableMessage,
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  type Control,
  DrainingControl,
  type KafkaSettings,
  passThrough,
  produce,
  produceMulti,
  type ProducerEnvelope,
  producerFlow,
  string,
  type CommittableOffset,
} from "@millrace/kafka";
import { checked } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { PipelineBench } from "../../support/pipeline-bench.js";
import { Random } from "../../support/random.js";
import { until } from "../../support/until.js";

type Envelope = ProducerEnvelope<string, string, CommittableOffset | undefined>;
type Message = CommittableMessage<string, string>;

/** Outputs of a record are named by partition, offset and number. */
const outputsOf = ({ record: { partition, offset, value } }: Message) =>
  Array.from({ length: Number(value) }, (_, index) => ({ topic: "out", value: `${partition}:${offset}:${index}` }));

/** One record, several envelopes; the offset rides on the last, or on a pass-through where there is no output. */
const concatenated = (message: Message): Envelope[] => {
  const outputs = outputsOf(message);
  if (outputs.length === 0) return [passThrough(message.offset)];
  return outputs.map((output, index) => produce(output, index === outputs.length - 1 ? message.offset : undefined));
};

const someTurns = async (random: Random): Promise<void> => {
  for (let turns = random.int(0, 3); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
};

/** Ways to carry offsets from the producer flow to the committer, all of which keep their order. */
const carried = (offsets: Source<CommittableOffset, Control>, random: Random): Source<Committable, Control> => {
  const joined = (batch: CommittableOffsetBatch, offset: CommittableOffset): CommittableOffsetBatch =>
    batch.updated(offset);
  switch (random.int(0, 4)) {
    case 0:
      return offsets
        .groupedWithin(random.int(1, 5), 5)
        .map((some) => some.reduce(joined, CommittableOffsetBatch.empty));
    case 1:
      return offsets.batch(random.int(1, 50), (offset) => CommittableOffsetBatch.of(offset), joined);
    case 2:
      return offsets.mapAsync(random.int(1, 4), async (offset) => {
        await someTurns(random);
        return offset;
      });
    case 3:
      return offsets.buffer(random.int(1, 10));
    default:
      return offsets;
  }
};

/** The offset on the first output: wrong, and the bench must see it. */
const offsetFirst = (message: Message): Envelope[] => {
  const outputs = outputsOf(message);
  if (outputs.length === 0) return [passThrough(message.offset)];
  return outputs.map((output, index) => produce(output, index === 0 ? message.offset : undefined));
};

const pipeline = (kafka: KafkaSettings, random: Random, fails: () => boolean, split = concatenated) => {
  const messages = committableSource<string, string>({
    kafka,
    topics: ["t"],
    value: string(),
    maxPollRecords: random.pick(1, 3, 1000),
    maxBufferedRecords: random.pick(1, 5, 100),
    commitTimeoutMs: 5000,
  });
  const worked = random.once(2)
    ? messages
    : messages.mapAsync(random.int(1, 5), async (message) => {
        await someTurns(random);
        if (fails()) throw new Error("handler");
        return message;
      });
  const envelopes: Source<Envelope, Control> =
    split !== concatenated || random.once(2)
      ? worked.mapConcat(split)
      : worked.map((message) => produceMulti(outputsOf(message), message.offset));
  const offsets = envelopes
    .via(
      producerFlow<string, string, CommittableOffset | undefined>({
        kafka,
        value: string(),
        parallelism: random.pick(1, 2, 7, 100),
      }),
    )
    .collect((result) => result.passThrough);
  return carried(offsets, random).toMat(
    committerSink({
      maxBatch: random.pick(1, 2, 10),
      maxIntervalMs: random.pick(1, 10),
      parallelism: random.int(1, 3),
    }),
    DrainingControl.from,
  );
};

const endings = ["drain", "shutdown", "handler fails", "output fails", "poll fails", "pause fails"] as const;

describe("an explicit pipeline, whatever its shape", () => {
  for (const ending of endings) {
    it(`never commits a record whose outputs are not all acknowledged (${ending})`, () =>
      fc.assert(
        fc.asyncProperty(fc.integer(), async (seed) => {
          const random = new Random(seed);
          const bench = new PipelineBench(random);
          const checks = checked();
          const fails = ending === "handler fails" ? () => random.once(60) : () => false;
          const control = pipeline(bench.kafka.settings, random, fails).run({ wrap: checks.wrap });
          const acting = bench.play(random.int(10, 120));
          const actsBefore = random.int(0, 60);
          for (let turns = 0; turns < actsBefore; turns++) await new Promise((resolve) => setImmediate(resolve));
          if (ending === "output fails") bench.failOutput(new Error("refused"));
          if (ending === "poll fails") bench.kafka.client.failPoll(new Error("poll"));
          if (ending === "pause fails") {
            bench.kafka.client.onPause = () => {
              throw new Error("pause");
            };
          }
          const early = ending === "shutdown" || random.once(4);
          if (early) await Promise.allSettled([control.stop(), control.drainAndShutdown(), acting]);
          await acting;
          if (!early && ending === "drain") {
            await bench.finish();
            await until(() => bench.complete, `everything to be committed, not ${bench.committed.join(", ")}`);
          }
          await control.drainAndShutdown().catch(() => undefined);
          expect(bench.violations).to.deep.equal([]);
          bench.kafka.verify();
          checks.verify();
          expect(bench.kafka.client.closed).to.equal(true);
        }),
        { numRuns: 15 },
      )).timeout(30_000);
  }

  it("is a law with teeth: an offset on the first of several outputs is caught", async () => {
    let caught = 0;
    for (let seed = 0; seed < 20 && caught === 0; seed++) {
      const random = new Random(seed);
      const bench = new PipelineBench(random);
      const control = pipeline(bench.kafka.settings, random, () => false, offsetFirst).run();
      await bench.play(120);
      await control.drainAndShutdown();
      caught = bench.violations.length;
    }
    expect(caught).to.be.greaterThan(0);
  }).timeout(20_000);
});
