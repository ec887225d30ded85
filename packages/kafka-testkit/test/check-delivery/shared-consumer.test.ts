import { committerSink, DrainingControl, sharedConsumer, sourceWithOffsetContext, string } from "@millrace/kafka";
import { checkDelivery, type DeliveryWorld } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { effecting } from "./support/pipelines.js";

/** The client lives as long as its only source, so that each life ends with it. */
const shared = (world: DeliveryWorld) => {
  const consumer = sharedConsumer({ kafka: world.kafka, maxBufferedRecords: 2 });
  const assignment = [0, 1].map((partition) => ({ topic: world.input, partition }));
  return sourceWithOffsetContext({ consumer, assignment, value: string() })
    .mapAsyncUnordered(4, effecting(world))
    .toMat(committerSink({ maxBatch: 1 }), (control, done) => {
      const close = (): void => void consumer.close();
      control.isShutdown.then(close, close);
      return DrainingControl.from(control, done);
    });
};

describe("checkDelivery of a source with a shared consumer", function () {
  this.timeout(60_000);

  it("finds it at-least-once wherever it is killed", async () => {
    const report = await checkDelivery(shared, { guarantee: "at-least-once", runs: 150 });
    expect(report.runs).to.be.at.least(100);
  });
});
