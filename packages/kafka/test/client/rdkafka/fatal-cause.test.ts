import { expect } from "chai";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import { rejectionOf } from "./support/errors.js";
import { FakeConsumer } from "./support/fake-native.js";
import { CODE } from "../../../src/client/codes.js";

const FATAL = { code: CODE.fatal, message: "Local: Fatal error" };

describe("a consumer that ended for good", () => {
  let native: FakeConsumer;
  let consumer: RdkafkaConsumer;
  beforeEach(async () => {
    native = new FakeConsumer();
    const listener = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };
    consumer = new RdkafkaConsumer({ "group.id": "g" }, listener, undefined, native.create);
    await consumer.connect();
  });
  afterEach(() => consumer.close());

  const log = (message: string): void => native.emit("event.log", { fac: "FATAL", message });
  const failed = () => rejectionOf(consumer.poll({ maxRecords: 1, waitMs: 0 }));

  for (const [text, clientCode, advice] of [
    ["Broker: Static consumer fenced by other consumer with same group.instance.id", 82, /an id of its own/],
    ["Broker: Group authorization failed", 30, /Grant this user access to the consumer group/],
  ] as const) {
    it(`fails by the name of its cause, which is logged only: ${text}`, async () => {
      native.onConsume = (consume) => {
        consume.fail(FATAL);
        // It is handed on by another handle, and later.
        log(`[thrd:main]: Fatal error: ${text}: ConsumerGroupHeartbeat fatal error: ${text}`);
      };
      const error = await failed();
      expect(error).to.include({ code: "POLL_FAILED", clientCode, fatal: true, retriable: false });
      expect(error.message)
        .to.contain(text.replace(/^Broker: /, ""))
        .and.to.match(advice);
      native.onConsume = (consume) => consume.fail(FATAL);
      expect(await failed()).to.include({ clientCode });
    });
  }

  it("says that it ended where nothing was logged, and the cause of another error is not its own", async () => {
    native.onConsume = (consume) => consume.fail(FATAL);
    expect(await failed()).to.include({ code: "POLL_FAILED", clientCode: -150, fatal: true });
    log("[thrd:main]: Fatal error: Broker: Group authorization failed: x");
    native.onConsume = (consume) => consume.fail({ code: -195, message: "Local: Broker transport failure" });
    expect(await failed()).to.include({ clientCode: -195 });
  });
});
