import { expect } from "chai";
import type { KafkaConnectorError } from "../../../src/errors/errors.js";
import { RdkafkaTransactions } from "../../../src/client/rdkafka/transactions.js";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import { RdkafkaProducer } from "../../../src/client/rdkafka/producer.js";
import type { ConsumerClient, ProducerTransactions } from "../../../src/client/port.js";
import { FakeConsumer, FakeProducer } from "./support/fake-native.js";

const POSITIONS = [{ topic: "t", partition: 0, offset: 3 }];
const listener = { onReports: () => undefined, onError: () => undefined };
const members = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };

const failure = async (promise: Promise<unknown>): Promise<KafkaConnectorError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error as KafkaConnectorError;
};

async function setUp() {
  const native = new FakeProducer();
  const producer = new RdkafkaProducer({ "transactional.id": "x" }, listener, undefined, native.create);
  await producer.connect();
  return { native, producer, transactions: producer.transactions as ProducerTransactions };
}

describe("RdkafkaTransactions", () => {
  for (const [what, error, expected] of [
    ["a fenced producer", { code: -144, isFatal: true }, { code: "PRODUCER_FENCED", fatal: true }],
    ["another fatal error", { code: 53, isFatal: true }, { code: "TRANSACTION_FAILED", fatal: true }],
    ["an abortable error", { code: 22, isTxnRequiresAbort: true }, { code: "TRANSACTION_ABORTABLE", fatal: false }],
    ["a timeout", { code: -185, isRetriable: true }, { code: "TRANSACTION_FAILED", retriable: true }],
    ["a wrong state", { code: -172 }, { code: "TRANSACTION_FAILED", retriable: false, fatal: false }],
  ] as const) {
    it(`rejects with a code that says what to do after ${what}`, async () => {
      const { native, transactions } = await setUp();
      native.transactionError = { message: "boom", isFatal: false, isRetriable: false, ...error };
      for (const call of [transactions.init(1), transactions.begin(), transactions.commit(1), transactions.abort(1)]) {
        expect(await failure(call)).to.include(expected);
      }
    });
  }

  it("exists only where there is a transactional.id, and works only while the producer is open", async () => {
    const plain = new RdkafkaProducer({}, listener, undefined, new FakeProducer().create);
    expect(plain.transactions).to.equal(undefined);
    const { producer, transactions } = await setUp();
    await producer.close();
    expect(await failure(transactions.begin())).to.include({ code: "PRODUCER_CLOSED" });
  });

  it("refuses the consumer of another driver, and one that is closed", async () => {
    const { native, transactions } = await setUp();
    const foreign = {} as ConsumerClient;
    expect(await failure(transactions.sendOffsets(POSITIONS, foreign, 1))).to.include({ code: "INVALID_SETTINGS" });
    const fake = new FakeConsumer();
    const consumer = new RdkafkaConsumer({ "group.id": "g" }, members, undefined, fake.create);
    await consumer.connect();
    await transactions.sendOffsets(POSITIONS, consumer, 7);
    expect(native.calls.at(-1)).to.deep.equal(["sendOffsetsToTransaction", POSITIONS, fake, 7]);
    await consumer.close();
    expect(await failure(transactions.sendOffsets(POSITIONS, consumer, 1))).to.include({ code: "CONSUMER_CLOSED" });
  });

  it("asks to commit again while records are unreported, and does not ask the broker", async () => {
    const { native, producer, transactions } = await setUp();
    producer.produceBatch([{ topic: "t", key: null, value: null }], 0, 0);
    expect(await failure(transactions.commit(5))).to.include({ code: "TRANSACTION_FAILED", retriable: true });
    expect(native.named).not.to.contain("commitTransaction");
    native.report({ opaque: 0 });
    await transactions.commit(1000);
    expect(native.named).to.contain("commitTransaction");
  });

  it("rejects as retriable, outcome unknown, a second after its time when the client never answers", async () => {
    const { native, transactions } = await setUp();
    native.onTransaction = () => undefined;
    const fake = new FakeConsumer();
    const consumer = new RdkafkaConsumer({ "group.id": "g" }, members, undefined, fake.create);
    await consumer.connect();
    const calls = [
      transactions.init(1),
      transactions.sendOffsets(POSITIONS, consumer, 1),
      transactions.commit(1),
      transactions.abort(1),
    ];
    for (const error of await Promise.all(calls.map(failure))) {
      expect(error).to.include({ code: "TRANSACTION_FAILED", clientCode: -185, retriable: true });
    }
  });

  it("that never ends is not disconnected under by close, which says so, and closes once it has ended", async () => {
    const native = new FakeProducer();
    const timeouts = { connectMs: 1000, closeMs: 20, graceMs: 10 };
    const producer = new RdkafkaProducer({ "transactional.id": "x" }, listener, timeouts, native.create);
    await producer.connect();
    let answer: () => void = () => undefined;
    native.onTransaction = (done) => (answer = done);
    const initialised = (producer.transactions as ProducerTransactions).init(1);
    expect(await failure(producer.close())).to.include({ code: "CLOSE_TIMEOUT", fatal: true });
    expect(native.named).to.deep.equal(["initTransactions"]);
    answer();
    await initialised;
    await new Promise((resolve) => setImmediate(resolve));
    expect(native.named).to.deep.equal(["initTransactions", "disconnect"]);
  });

  it("is awaited by a producer and by a consumer that close meanwhile", async () => {
    const { native, producer, transactions } = await setUp();
    const fake = new FakeConsumer();
    const consumer = new RdkafkaConsumer({ "group.id": "g" }, members, undefined, fake.create);
    await consumer.connect();
    let answer: () => void = () => undefined;
    native.onTransaction = (done) => (answer = done);
    const sending = transactions.sendOffsets(POSITIONS, consumer, 1000);
    const closing = Promise.all([producer.close(), consumer.close()]);
    await new Promise((resolve) => setImmediate(resolve));
    expect([native.disconnected, fake.disconnected]).to.deep.equal([false, false]);
    answer();
    await Promise.all([sending, closing]);
    expect([native.disconnected, fake.disconnected]).to.deep.equal([true, true]);
  });

  it("is what a producer with a transactional.id has", async () => {
    expect((await setUp()).transactions).to.be.instanceOf(RdkafkaTransactions);
  });
});
