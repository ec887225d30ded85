import { expect } from "chai";
import type { ClientTimeouts } from "../../../src/client/rdkafka/client-life.js";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import type { ConsumerListener } from "../../../src/client/port.js";
import { codeThrownBy, rejectionOf } from "./support/errors.js";
import { FakeConsumer } from "./support/fake-native.js";

const TIMEOUTS: ClientTimeouts = { connectMs: 1000, closeMs: 60, graceMs: 30 };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function setUp(listener: Partial<ConsumerListener> = {}) {
  const native = new FakeConsumer();
  const errors: Error[] = [];
  const consumer = new RdkafkaConsumer(
    { "group.id": "g" },
    { onAssign: () => undefined, onRevoke: () => undefined, onError: (error) => void errors.push(error), ...listener },
    TIMEOUTS,
    native.create,
  );
  await consumer.connect();
  return { native, errors, consumer };
}

describe("RdkafkaConsumer.close", () => {
  it("ends at its deadline when a listener never does, gives its partitions up and says so", async () => {
    const { native, consumer } = await setUp({ onRevoke: () => new Promise<void>(() => undefined) });
    native.onDisconnect = (done) => {
      native.rebalance?.({ code: -174 }, [{ topic: "t", partition: 0 }]);
      const wait = (): void => {
        if (native.named.includes("unassign")) done();
        else setImmediate(wait);
      };
      wait();
    };
    const error = await rejectionOf(consumer.close());
    expect(error).to.include({ code: "CLOSE_TIMEOUT" });
    expect(error.message).to.contain("a rebalance listener has not ended").and.to.contain("It is closed now.");
    expect(native.disconnected).to.equal(true);
  });

  it("ends at its deadline when the client never does", async () => {
    const { native, consumer } = await setUp();
    native.onDisconnect = () => undefined;
    const error = await rejectionOf(consumer.close());
    expect(error).to.include({ code: "CLOSE_TIMEOUT" });
    expect(error.message).to.contain("the client is stuck").and.to.contain("It may still be open.");
  });

  it("gives partitions up at its deadline when the handler of a rebalance that had begun never ends", async () => {
    const { native, consumer } = await setUp({ onRevoke: () => new Promise<void>(() => undefined) });
    native.onConsume = (consume) => consume.answer([]);
    native.rebalance?.({ code: -174 }, [{ topic: "t", partition: 0 }]);
    const error = await rejectionOf(consumer.close());
    expect(error).to.include({ code: "CLOSE_TIMEOUT" });
    expect(error.message).to.contain("a rebalance listener has not ended").and.to.contain("It is closed now.");
    expect(native.named).to.deep.equal(["unassign", "disconnect"]);
  });

  it("answers what is revoked by disconnecting at once, where an earlier handler never ended", async () => {
    const told: string[] = [];
    const { native, consumer } = await setUp({
      onAssign: () => new Promise<void>(() => undefined),
      onRevoke: () => {
        told.push("revoke");
        return new Promise<void>(() => undefined);
      },
    });
    native.onConsume = (consume) => consume.answer([]);
    native.rebalance?.({ code: -175 }, [{ topic: "t", partition: 0 }]);
    native.onDisconnect = (done) => {
      native.rebalance?.({ code: -174 }, [{ topic: "t", partition: 0 }]);
      expect(native.named.at(-1)).to.equal("unassign");
      done();
    };
    expect(await rejectionOf(consumer.close())).to.include({ code: "CLOSE_TIMEOUT" });
    expect(native.named).to.deep.equal(["assign", "disconnect", "unassign"]);
    expect(told).to.deep.equal(["revoke"]);
  });

  it("waits for the handler of a rebalance that had begun, and polls meanwhile without a wait", async () => {
    let end: () => void = () => undefined;
    const { native, consumer } = await setUp({ onRevoke: () => new Promise<void>((resolve) => (end = resolve)) });
    native.rebalance?.({ code: -174 }, [{ topic: "t", partition: 0 }]);
    native.onConsume = (consume) => {
      // A poll that waits could take the rebalance after this one.
      expect(consume.timeoutMs).to.equal(0);
      if (native.consumes.length === 2) end();
      expect(native.named).not.to.contain("disconnect");
      consume.answer([]);
    };
    await consumer.close();
    expect(native.named).to.deep.equal(["unassign", "disconnect"]);
  });

  it("waits for the handler of a rebalance that its last poll took, and that is reported after it", async () => {
    const order: string[] = [];
    const { native, consumer } = await setUp({
      onAssign: async () => {
        await turn();
        order.push("handler ended");
      },
    });
    const poll = consumer.poll({ maxRecords: 10, waitMs: 60_000 });
    native.onDisconnect = (done) => {
      order.push("disconnect");
      done();
    };
    const closed = consumer.close();
    native.onConsume = (consume) => consume.answer([]);
    native.consumes[0]?.answer([]);
    process.nextTick(() => native.rebalance?.({ code: -175 }, [{ topic: "t", partition: 0 }]));
    await Promise.all([poll, closed]);
    expect(order).to.deep.equal(["handler ended", "disconnect"]);
  });

  it("leaves its group and does not disconnect under a call that never ends, until it does", async () => {
    const { native, consumer } = await setUp();
    native.rebalance?.({ code: -175 }, [{ topic: "t", partition: 0 }]);
    await turn();
    const committed = rejectionOf(consumer.committed([], 0));
    native.onConsume = (consume) => {
      if (native.named.at(-1) === "unsubscribe") native.rebalance?.({ code: -174 }, [{ topic: "t", partition: 0 }]);
      consume.answer([]);
    };
    const error = await rejectionOf(consumer.close());
    expect(error).to.include({ code: "CLOSE_TIMEOUT" });
    expect(error.message).to.contain("a call to the client has not ended");
    expect(native.named).to.deep.equal(["assign", "committed", "unsubscribe", "unassign"]);
    (native.calls[1]?.[1] as (error: null, answers: unknown[]) => void)(null, []);
    await committed.catch(() => undefined);
    await turn();
    expect(native.disconnected || native.named.includes("disconnect")).to.equal(true);
  });

  it("ends at its deadline when a poll never does", async () => {
    const { native, consumer } = await setUp();
    void consumer.poll({ maxRecords: 10, waitMs: 10 });
    native.onDisconnect = () => undefined;
    expect(await rejectionOf(consumer.close())).to.include({ code: "CLOSE_TIMEOUT" });
  });

  it("cuts the wait of a running poll short and waits for it", async () => {
    const { native, consumer } = await setUp();
    const poll = consumer.poll({ maxRecords: 10, waitMs: 60_000 });
    const closed = consumer.close();
    await turn();
    expect(native.named).to.deep.equal([]);
    native.consumes[0]?.answer([]);
    expect(await poll).to.equal(undefined);
    await closed;
    expect(native.disconnected).to.equal(true);
  });

  it("is idempotent, and every later call rejects with CONSUMER_CLOSED", async () => {
    const { native, consumer } = await setUp();
    const closed = consumer.close();
    expect(consumer.close()).to.equal(closed);
    await closed;
    expect(native.named).to.deep.equal(["disconnect"]);
    expect((await rejectionOf(consumer.poll({ maxRecords: 1, waitMs: 1 }))).code).to.equal("CONSUMER_CLOSED");
    expect((await rejectionOf(consumer.commit([]))).code).to.equal("CONSUMER_CLOSED");
    expect((await rejectionOf(consumer.connect())).code).to.equal("CONSUMER_CLOSED");
    expect((await rejectionOf(consumer.watermarks({ topic: "t", partition: 0 }, 1))).code).to.equal("CONSUMER_CLOSED");
    expect(codeThrownBy(() => consumer.subscribe({ kind: "topics", topics: ["t"] }))).to.equal("CONSUMER_CLOSED");
  });

  it("of a consumer that never connected resolves", async () => {
    const native = new FakeConsumer();
    const listener: ConsumerListener = {
      onAssign: () => undefined,
      onRevoke: () => undefined,
      onError: () => undefined,
    };
    const consumer = new RdkafkaConsumer({ "group.id": "g" }, listener, TIMEOUTS, native.create);
    expect((await rejectionOf(consumer.poll({ maxRecords: 1, waitMs: 1 }))).code).to.equal("CLIENT_FAILED");
    await consumer.close();
    expect(native.named).to.deep.equal([]);
  });
});
