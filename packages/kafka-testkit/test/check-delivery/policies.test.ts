import {
  type Committable,
  committableSource,
  committerSink,
  deadLetters,
  type Deserializer,
  discard,
  DrainingControl,
  handle,
  handleCommittable,
  type HandlePolicy,
  NotRetriableError,
  producerFlowWithContext,
  silentLogger,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { checkDelivery, type DeliveryInput, type DeliveryPipeline, type DeliveryWorld } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { caught } from "./support/caught.js";

/** What a record does, by its number: of five one cannot be read, one fails for good, one fails once, two work. */
const wayOf = (id: string): number => Number(id.split(":")[1]) % 5;

/** Whether the handler has failed at a record in this process before. */
const failedOnce = new WeakMap<DeliveryWorld, Set<string>>();

const readable: Deserializer<string> = {
  decode(bytes) {
    const id = String(bytes);
    if (wayOf(id) === 1) throw new TypeError("not readable");
    return id;
  },
};

const working = async (world: DeliveryWorld, id: string): Promise<void> => {
  await world.sleep(5);
  if (wayOf(id) === 2) throw new NotRetriableError("refused");
  const failed = failedOnce.get(world) ?? new Set();
  failedOnce.set(world, failed);
  if (wayOf(id) !== 3 || failed.has(id)) return;
  failed.add(id);
  throw new Error("503");
};

/** Dead letters go where the effects of the check are looked for: their values are those of their records. */
const letters = (world: DeliveryWorld) => deadLetters({ topic: () => world.output });
const policyOf = (world: DeliveryWorld, policy: Partial<Pick<HandlePolicy, "otherwise">> = {}) => ({
  ...{ backoff: { minMs: 20 }, logger: silentLogger, order: "key" as const },
  otherwise: policy.otherwise ?? letters(world),
});
const reading = (world: DeliveryWorld) => ({
  ...{ kafka: { ...world.kafka, logger: silentLogger }, topics: [world.input], value: readable },
  ...{ undecodable: letters(world), ...world.bounds },
});

const PIPELINES: Readonly<Record<string, DeliveryPipeline>> = {
  "that follow by themselves": (world) =>
    sourceWithOffsetContext(reading(world))
      .via(handle(async ({ value }) => working(world, value).then(() => value), policyOf(world)))
      .map((value) => ({ topic: world.output, value }))
      .via(producerFlowWithContext({ kafka: world.kafka, value: string() }))
      .map(() => undefined)
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  "that are carried": (world) =>
    committableSource(reading(world))
      .mapAsync(2, async (message) => {
        if (wayOf(message.record.value) === 0) await world.effect(`${message.record.value}!`);
        return message;
      })
      .via(handleCommittable(({ value }) => working(world, value), policyOf(world)))
      .map((offset): Committable => offset)
      .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
};

/** Of the first each record is in the output: what was handled, and what was parked. Of the second only what was parked. */
const EXPECTED: Readonly<Record<string, (input: DeliveryInput) => readonly string[]>> = {
  "that follow by themselves": ({ id }) => [id],
  "that are carried": ({ id }) => (wayOf(id) === 0 ? [`${id}!`] : wayOf(id) <= 2 ? [id] : []),
};

describe("checkDelivery of policies", function () {
  this.timeout(60_000);

  for (const [how, pipeline] of Object.entries(PIPELINES)) {
    it(`loses no record that cannot be read, or fails, with offsets ${how}`, async () => {
      const report = await checkDelivery(pipeline, {
        ...{ guarantee: "at-least-once", runs: 40, records: 12 },
        expected: EXPECTED[how]!,
      });
      expect(report.kills).to.be.greaterThan(20);
    });
  }

  it("finds a record that was left out where it should have been parked", async () => {
    const error = await caught(
      (world) =>
        sourceWithOffsetContext(reading(world))
          .via(
            handle(
              async ({ value }) => working(world, value).then(() => value),
              policyOf(world, { otherwise: discard("no") }),
            ),
          )
          .map((value) => ({ topic: world.output, value }))
          .via(producerFlowWithContext({ kafka: world.kafka, value: string() }))
          .map(() => undefined)
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
      { records: 12, expected: ({ id }) => [id] },
    );
    expect(error.message).to.match(/^LOST/);
  });
});
