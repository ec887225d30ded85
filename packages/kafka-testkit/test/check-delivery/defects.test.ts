import { committerSink, DrainingControl, type KafkaDriver } from "@millrace/kafka";
import type { DeliveryInput, DeliveryWorld } from "@millrace/kafka-testkit";
import { Flow, FlowWithContext, type WithClaim } from "@millrace/streams";
import { expect } from "chai";
import { caught } from "./support/caught.js";
import { explicit, followed, type FollowedRecord, type Message, offsetOf } from "./support/pipelines.js";

const driverOf = ({ kafka }: DeliveryWorld): KafkaDriver => kafka.driver ?? expect.fail("the world has a driver");
const halves = ({ id }: DeliveryInput): readonly string[] => [`${id}a`, `${id}b`];

/** A producer flow that emits what it has sent, acknowledged or not (I9). */
const emittingOnSend = (world: DeliveryWorld): Flow<Message, Message> => {
  const client = driverOf(world).producer({}, { onReports: () => undefined, onError: () => undefined });
  const connected = client.connect();
  connected.catch(() => undefined);
  let sent = 0;
  return Flow.of<Message>().mapAsync(1, async (message) => {
    await connected;
    client.produceBatch([{ topic: world.output, key: null, value: Buffer.from(message.record.value) }], 0, sent++);
    return message;
  });
};

type Splitting = FlowWithContext<FollowedRecord, string>;
const splitting = (f: (cell: WithClaim<FollowedRecord>) => WithClaim<string>[]): Splitting =>
  FlowWithContext.fromFlow(Flow.of<WithClaim<FollowedRecord>>().mapConcat(f));

/** A `mapConcat` that ends the record with its first element. */
const endingWithTheFirst: Splitting = splitting(({ value: { value }, claim }) => {
  const none = { share: () => undefined, end: () => undefined, at: () => undefined };
  return [
    { value: `${value}a`, claim },
    { value: `${value}b`, claim: none },
  ];
});

/** A `filter` that forgets what becomes of the claim. */
const leaking = FlowWithContext.fromFlow(
  Flow.of<WithClaim<FollowedRecord>>().filter(({ value }) => value.offset % 2 === 0),
);

describe("checkDelivery on a defective stage", function () {
  this.timeout(60_000);

  it("finds a producer flow that emits before the acknowledgement", async () => {
    const error = await caught((world) =>
      explicit(world)
        .via(emittingOnSend(world))
        .map(offsetOf)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
    );
    expect(error.code, error.message).to.equal("LOST");
    expect(error.message).to.include("was sent, and not acknowledged");
    expect(error.message).to.include("This looks like: a result emitted before its acknowledgement");
  });

  it("finds a mapConcat with context that ends with its first element", async () => {
    const error = await caught(
      (world) =>
        followed(world)
          .via(endingWithTheFirst)
          .mapAsync(1, (id) => world.effect(id))
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
      { expected: halves },
    );
    expect(error.code, error.message).to.equal("LOST");
    expect(error.message).to.include("This looks like: one record with several outputs, finished by the first");
  });

  it("finds a filter with context that never ends what it leaves out", async () => {
    const error = await caught(
      (world) =>
        followed(world)
          .via(leaking)
          .mapAsync(1, ({ value }) => world.effect(value))
          .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
      { expected: ({ id, offset }) => (offset % 2 === 0 ? [id] : []) },
    );
    expect(error.code, error.message).to.equal("STUCK");
    expect(error.message).to.include("not every record was finished");
  });
});
