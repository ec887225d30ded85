import {
  byPartition,
  committableSource,
  type CommittableMessage,
  CommittableOffsetBatch,
  committerFlow,
  committerSink,
  DrainingControl,
  passThrough,
  produce,
  produceMulti,
} from "@millrace/kafka";
import {
  checkDelivery,
  type CheckDeliveryOptions,
  type DeliveryInput,
  type DeliveryPipeline,
} from "@millrace/kafka-testkit";
import { Flow, Join, Sink, Supervision } from "@millrace/streams";
import { expect } from "chai";
import { caught } from "./support/caught.js";
import { explicit, type Message, offsetOf, output, sending, working } from "./support/pipelines.js";

const UNSAFE = { unsafe: "checkDelivery has to find it" };
const branch = Flow.of<Message>();
const halves = ({ id }: DeliveryInput): readonly string[] => [`${id}a`, `${id}b`];
const evenOnly = ({ id, offset }: DeliveryInput): readonly string[] => (offset % 2 === 0 ? [id] : []);
const isEven = ({ record }: { readonly record: { readonly offset: number } }): boolean => record.offset % 2 === 0;

interface Row {
  readonly pipeline: DeliveryPipeline;
  readonly options?: Partial<CheckDeliveryOptions>;
  /** Part of what the error says it looks like. */
  readonly hint: RegExp;
}

const HAZARDS: Readonly<Record<string, Row>> = {
  "one record with several outputs, whose offset goes with the first": {
    pipeline: (world) =>
      explicit(world)
        .mapConcat((message) => [
          produce({ ...output(world, message, "a"), partition: 0 }, message.offset),
          produce({ ...output(world, message, "b"), partition: 1 }, undefined),
        ])
        .via(sending(world))
        .toMat(committerSink(), DrainingControl.from),
    options: { expected: halves },
    hint: /one record with several outputs/,
  },
  "a batch that is split again, whose offsets go with the first piece": {
    pipeline: (world) =>
      explicit(world)
        .groupedWithin(3, 50)
        .mapConcat((messages) => {
          const offsets = messages.map(offsetOf).reduce((all, each) => all.updated(each), CommittableOffsetBatch.empty);
          return messages.map((message, index) => ({ message, offsets: index === 0 ? offsets : undefined }));
        })
        .mapAsync(1, async ({ message, offsets }) => {
          await world.effect(message.record.value);
          return { offsets };
        })
        .collect(({ offsets }) => offsets)
        .toMat(committerSink(), DrainingControl.from),
    hint: /does not wait for its record/,
  },
  "alsoTo, whose side branch has its effect after the commit": {
    pipeline: (world) =>
      explicit(world)
        .alsoTo(branch.mapAsync(1, working(world)).to(Sink.ignore))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /alsoTo .*SPLIT_NOT_REJOINED/,
  },
  "broadcast, merged before the committer": {
    pipeline: (world) =>
      explicit(world)
        .broadcast([branch.mapAsync(1, working(world)), branch], Join.merge<CommittableMessage<string, string>>())
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /SPLIT_NOT_REJOINED/,
  },
  mapAsyncUnordered: {
    pipeline: (world) =>
      explicit(world).mapAsyncUnordered(4, working(world)).map(offsetOf).toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /mapAsyncUnordered .*ORDER_LOST/,
  },
  "groupBy(key) and mergeSubstreams": {
    pipeline: (world) =>
      explicit(world)
        .groupBy(8, ({ record }) => record.key)
        .mapAsync(1, working(world))
        .mergeSubstreams()
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /GROUPS_SPLIT_PARTITIONS/,
  },
  "mapAsyncPartitionedUnordered by key": {
    pipeline: (world) =>
      explicit(world)
        .mapAsyncPartitionedUnordered(4, ({ record }) => record.key, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /ORDER_LOST|GROUPS_SPLIT_PARTITIONS/,
  },
  "partition, rejoined by merge": {
    pipeline: (world) =>
      explicit(world)
        .partition(
          [branch.mapAsync(1, working(world)), branch.mapAsync(1, working(world))],
          (message) => (isEven(message) ? 0 : 1),
          Join.merge<CommittableMessage<string, string>>(),
        )
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /SPLIT_NOT_REJOINED/,
  },
  "divertTo, never rejoined": {
    pipeline: (world) =>
      explicit(world)
        .divertTo(branch.mapAsync(1, working(world)).to(Sink.ignore), isEven)
        .mapAsync(1, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /SPLIT_NOT_REJOINED/,
  },
  "a dropping buffer before the effect": {
    pipeline: (world) =>
      explicit(world)
        .buffer(1, "dropHead")
        .mapAsync(1, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /DROPS_OFFSETS/,
  },
  "conflate before the effect": {
    pipeline: (world) =>
      explicit(world)
        .conflate((_, last) => last)
        .mapAsync(1, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /DROPS_OFFSETS/,
  },
  "two committers, one of them before the effect": {
    pipeline: (world) =>
      explicit(world)
        .alsoTo(branch.map(offsetOf).to(committerSink({ maxBatch: 1 })))
        .mapAsync(1, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /TWO_COMMITTERS/,
  },
  "two committers, each of half the records": {
    pipeline: (world) =>
      explicit(world)
        .divertTo(branch.mapAsync(1, working(world)).map(offsetOf).to(committerSink()), isEven)
        .mapAsync(1, working(world))
        .map(offsetOf)
        .toMat(committerSink(), DrainingControl.from),
    options: UNSAFE,
    hint: /TWO_COMMITTERS/,
  },
  "an effect behind the committer": {
    pipeline: (world) => {
      const behind = branch.map(offsetOf).via(committerFlow({ maxBatch: 1 }));
      return explicit(world)
        .broadcast([branch, behind], Join.merge<CommittableMessage<string, string> | CommittableOffsetBatch>())
        .collect((message) => ("record" in message ? message : undefined))
        .mapAsync(1, working(world))
        .toMat(Sink.ignore, DrainingControl.from);
    },
    options: UNSAFE,
    hint: /SPLIT_NOT_REJOINED/,
  },
  "a failed handler that supervision goes on without": {
    pipeline: (world) =>
      explicit(world)
        .mapAsync(2, working(world))
        .map(offsetOf)
        .withAttributes({ supervision: Supervision.resumingDecider })
        .toMat(committerSink(), DrainingControl.from),
    options: { effectErrorRate: 0.2 },
    hint: /a failure that finished its record/,
  },
};

describe("checkDelivery on the explicit surface", function () {
  this.timeout(120_000);

  describe("finds", () => {
    for (const [name, { pipeline, options, hint }] of Object.entries(HAZARDS)) {
      it(name, async () => {
        const error = await caught(pipeline, options);
        // What is stored and not acknowledged yet is not lost by a crash, though nobody may know.
        expect(["LOST", "UNSAFE_COMMIT"], error.message).to.include(error.code);
        expect(error.message.split("This looks like: ")[1], error.message).to.match(hint);
      });
    }
  });

  it("refuses to run what the graph check refuses, unless a reason is given", async () => {
    const refused = await checkDelivery(HAZARDS["mapAsyncUnordered"]?.pipeline ?? expect.fail(), {
      guarantee: "at-least-once",
    }).catch((error: unknown) => error);
    expect(refused).to.include({ code: "UNSAFE_GRAPH" });
  });

  it("refuses auto-commit before anything runs", async () => {
    const refused = await checkDelivery(
      ({ kafka, input }) =>
        committableSource({ kafka, topics: [input], properties: { "enable.auto.commit": true } })
          .map(({ offset }) => offset)
          .toMat(committerSink(), DrainingControl.from),
      { guarantee: "at-least-once" },
    ).catch((error: unknown) => error);
    expect(refused).to.include({ code: "AUTO_COMMIT_REFUSED" });
  });

  describe("and the order guard", () => {
    /** The second of two goes first. */
    const reversing =
      (maxBatch: number): DeliveryPipeline =>
      (world) =>
        explicit(world)
          .grouped(2)
          .mapConcat((pair) => pair.toReversed())
          .mapAsync(1, working(world))
          .map(offsetOf)
          .toMat(committerSink({ maxBatch, maxIntervalMs: 60_000 }), DrainingControl.from);

    it("finds a loss that the guard comes too late for", async () => {
      const error = await caught(reversing(1), { records: 4, partitions: 1 });
      expect(error.code).to.equal("LOST");
    });

    it("finds no loss where both offsets are gathered first: the guard fails the stream before anything is committed", async () => {
      const error = await caught(reversing(2), { records: 4, partitions: 1 });
      expect(error.code).to.equal("ALWAYS_FAILS");
      expect(error.cause).to.include({ code: "OFFSET_REORDERED" });
      expect(error.history.join("\n")).not.to.include("is stored: input-0@");
    });
  });

  describe("passes", () => {
    const runs = 60;

    const SAFE: Readonly<Record<string, Pick<Row, "pipeline" | "options">>> = {
      "a copy": {
        pipeline: (world) =>
          explicit(world)
            .map((message) => produce(output(world, message), message.offset))
            .via(sending(world))
            .toMat(committerSink(), DrainingControl.from),
      },
      "a copy that commits each offset by itself": {
        pipeline: (world) =>
          explicit(world)
            .mapAsync(4, working(world))
            .map((message) => produce(output(world, message), message.offset))
            .via(sending(world))
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
      },
      "several outputs, whose offset goes with the last": {
        pipeline: (world) =>
          explicit(world)
            .mapConcat((message) => [
              produce({ ...output(world, message, "a"), partition: 1 }, undefined),
              produce({ ...output(world, message, "b"), partition: 0 }, message.offset),
            ])
            .via(sending(world))
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
        options: { expected: halves },
      },
      "several outputs in one envelope": {
        pipeline: (world) =>
          explicit(world)
            .map((message) =>
              produceMulti(
                [
                  { ...output(world, message, "a"), partition: 0 },
                  { ...output(world, message, "b"), partition: 1 },
                ],
                message.offset,
              ),
            )
            .via(sending(world))
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
        options: { expected: halves },
      },
      "records without output, passed through": {
        pipeline: (world) =>
          explicit(world)
            .map((message) =>
              isEven(message) ? produce(output(world, message), message.offset) : passThrough(message.offset),
            )
            .via(sending(world))
            .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
        options: { expected: evenOnly },
      },
      "records without output, filtered out": {
        pipeline: (world) =>
          explicit(world)
            .filter(isEven)
            .mapAsync(2, working(world))
            .map(offsetOf)
            .toMat(committerSink(), DrainingControl.from),
        options: { expected: evenOnly },
      },
      "a batch that is split again, whose offsets go with the last piece": {
        pipeline: (world) =>
          explicit(world)
            .groupedWithin(3, 50)
            .mapConcat((messages) => {
              const offsets = messages
                .map(offsetOf)
                .reduce((all, each) => all.updated(each), CommittableOffsetBatch.empty);
              return messages.map((message, index) => ({
                message,
                offsets: index === messages.length - 1 ? offsets : undefined,
              }));
            })
            .mapAsync(1, async ({ message, offsets }) => {
              await world.effect(message.record.value);
              return { offsets };
            })
            .collect(({ offsets }) => offsets)
            .toMat(committerSink(), DrainingControl.from),
      },
      "branches rejoined one by one": {
        pipeline: (world) =>
          explicit(world)
            .broadcast([branch.mapAsync(2, working(world)), branch], Join.zip<Message>())
            .map(([message]) => offsetOf(message as Message))
            .toMat(committerSink(), DrainingControl.from),
      },
      "groups of whole partitions": {
        pipeline: (world) =>
          explicit(world)
            .groupBy(8, byPartition)
            .mapAsync(2, working(world))
            .mergeSubstreams()
            .map(offsetOf)
            .toMat(committerSink(), DrainingControl.from),
      },
      "failed handlers that fail the stream": {
        pipeline: (world) =>
          explicit(world).mapAsync(2, working(world)).map(offsetOf).toMat(committerSink(), DrainingControl.from),
        options: { effectErrorRate: 0.1 },
      },
      "calls of which several fail in any order, while the stage behind is busy": {
        pipeline: (world) =>
          explicit(world)
            .mapAsync(4, working(world))
            .mapAsync(1, async (message) => {
              await world.effect(`${message.record.value}b`);
              return message;
            })
            .map(offsetOf)
            .toMat(committerSink({ maxBatch: 1, maxIntervalMs: 1 }), DrainingControl.from),
        options: { expected: ({ id }) => [id, `${id}b`], partitions: 1, exhaustive: false, runs: 100 },
      },
      "two processes": {
        pipeline: (world) =>
          explicit(world)
            .mapAsync(2, working(world))
            .map((message) => produce(output(world, message), message.offset))
            .via(sending(world))
            .toMat(committerSink(), DrainingControl.from),
        options: { processes: 2 },
      },
    };

    for (const [name, { pipeline, options }] of Object.entries(SAFE)) {
      it(name, async () => {
        const report = await checkDelivery(pipeline, { guarantee: "at-least-once", runs, ...options });
        expect(report.kills).to.be.greaterThan(20);
      });
    }
  });
});
