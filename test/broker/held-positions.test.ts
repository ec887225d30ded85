import { DrainingControl, plainSource, rdkafkaDriver, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { fill } from "./support/topics.js";

const CALL_MS = 20_000;
/** What a dead producer left open; the broker looks for such every ten seconds. */
const OPEN_MS = 25_000;
/** Until its abort is noticed, by the broker and by the client. */
const READ_MS = OPEN_MS + 25_000;
const quiet = (): void => undefined;

describe("positions that an open transaction of a dead member holds, on a real broker", function () {
  this.timeout(CALL_MS + READ_MS + 20_000);
  const topic = `held-${process.pid}`;
  let kafka: LocalKafka;
  const toClose: { close(): Promise<void> }[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(topic, { partitions: 1 });
    await fill(kafka.brokers, [{ topic, partition: 0, key: null, value: Buffer.from("a") }]);
  });
  after(() => Promise.all(toClose.map((each) => each.close().catch(quiet))));

  /** Sends a position of the group within a transaction, and does nothing more. */
  const hold = async (): Promise<void> => {
    const owned: unknown[] = [];
    const member = rdkafkaDriver.consumer(
      { "bootstrap.servers": kafka.brokers, "group.id": topic, "auto.offset.reset": "earliest" },
      { onAssign: (given) => void owned.push(...given), onRevoke: quiet, onError: quiet },
    );
    const producer = rdkafkaDriver.producer(
      { "bootstrap.servers": kafka.brokers, "transactional.id": topic, "transaction.timeout.ms": OPEN_MS },
      { onReports: quiet, onError: quiet },
    );
    toClose.push(producer);
    await Promise.all([member.connect(), producer.connect()]);
    const { transactions } = producer;
    if (!transactions) throw new Error("a producer with a transactional.id has transactions");
    await transactions.init(CALL_MS);
    member.subscribe({ kind: "topics", topics: [topic] });
    while (owned.length === 0) await member.poll({ maxRecords: 1, waitMs: 100 });
    await transactions.begin();
    await transactions.sendOffsets([{ topic, partition: 0, offset: 1 }], member, CALL_MS);
    await member.close();
  };

  it("are waited for, with one warning, and read from where they were once the broker has aborted it", async () => {
    await hold();
    const warned: string[] = [];
    const read: string[] = [];
    const warn = (message: string): void => void warned.push(message);
    const told = (): number => warned.filter((message) => message.includes("open transaction")).length;
    const control = plainSource({
      kafka: { brokers: kafka.brokers, groupId: topic, logger: { debug: quiet, info: quiet, warn, error: warn } },
      ...{ topics: [topic], value: string(), autoOffsetReset: "earliest", lookupTimeoutMs: 2000 },
    })
      .map(({ value }) => void read.push(value))
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
    await eventually("a word of it", () => told() > 0, OPEN_MS);
    expect(read).to.deep.equal([]);
    expect(String(control.explain())).to.include("open transaction");
    await eventually("the record", () => read.length > 0, READ_MS);
    expect({ read, told: told() }).to.deep.equal({ read: ["a"], told: 1 });
    await control.drainAndShutdown();
  });
});
