import { isUtf8 } from "node:buffer";
import {
  type Headers,
  KafkaConnectorError,
  readDeadLetter,
  replayDeadLetters,
  type ReplaySettings,
} from "@millrace/kafka";
import { expect } from "chai";
import { headersOf, inputs, records, type Written } from "./dead-letters/peers.js";
import { LetterRig } from "./support/letter-rig.js";
import { rejectionOf, until } from "./support/until.js";

const p = { topic: "t-dlt", partition: 0 } as const;

/** Headers of a letter in plain words. */
const plain = (offset: number, more: Readonly<Record<string, string>> = {}): Headers =>
  Object.entries({
    "millrace-original-topic": "t",
    "millrace-original-partition": "1",
    "millrace-original-offset": String(offset),
    "millrace-error-message": "503",
    own: "mine",
    ...more,
  }).map(([name, value]) => [name, Buffer.from(value)]);

describe("a replay of dead letters", () => {
  let rig: LetterRig;
  beforeEach(() => {
    rig = new LetterRig();
  });
  afterEach(() => rig.kafka.verify());

  interface Letter {
    readonly headers: Headers;
    readonly key?: string | null;
    readonly value?: string | Buffer | null;
  }
  /** Replays these letters of one partition. */
  const replay = async (letters: readonly Letter[], settings: Partial<ReplaySettings> = {}) => {
    const prepare = rig.kafka.onConsumer;
    rig.kafka.onConsumer = (consumer) => {
      prepare(consumer);
      consumer.onWatermarks = () => ({ low: 0, high: letters.length });
    };
    const reported = replayDeadLetters({ kafka: rig.settings.kafka, topic: "t-dlt", ...settings });
    reported.catch(() => undefined);
    // The first asks whether there is the topic.
    await until(() => rig.kafka.consumers.length > 1, "the source");
    rig.source = 1;
    await rig.client.assign(p);
    rig.client.give(letters.map((letter, offset) => ({ ...p, offset, key: "k", value: "v", ...letter })));
    return reported;
  };
  const sent = () => rig.sent.map(({ record }) => record);

  it("writes a record back to where it was, with what it had, and commits that", async () => {
    const report = await replay([{ headers: plain(7) }]);
    expect(sent()).to.have.length(1);
    expect(sent()[0]).to.deep.include({ topic: "t", partition: 1, key: Buffer.from("k"), value: Buffer.from("v") });
    const headers = sent()[0]?.headers ?? [];
    expect(headers.find(([name]) => name === "own")?.[1]?.toString()).to.equal("mine");
    // It keeps its idempotency key, and forgets its failure.
    expect(readDeadLetter({ headers })).to.deep.include({ dialect: "plain" });
    expect(readDeadLetter({ headers })?.original.offset).to.equal(7);
    expect(readDeadLetter({ headers })?.error.message).to.equal(undefined);
    expect(headers.at(-1)?.map(String)).to.deep.equal(["millrace-replays", "1"]);
    expect(report).to.include({ read: 1, replayed: 1 });
    expect(rig.client.properties["group.id"]).to.equal("t-dlt-replay");
    expect(rig.committed.at(-1)).to.equal(1);
  });

  for (const each of records) {
    it(`understands ${each.writer} in ${each.topic}[${each.partition}]@${each.offset}`, async () => {
      const hex = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, "hex"));
      const letter = readDeadLetter({ headers: headersOf(each) })!;
      const report = await replay([{ headers: headersOf(each), key: each.key, value: hex(each.value) }]);
      if (letter.valueLost) {
        expect(report).to.include({ read: 1, valueLost: 1, replayed: 0 });
        expect(sent()).to.deep.equal([]);
        return;
      }
      const input = inputs.find(
        ({ topic, partition, offset }) =>
          topic === letter.original.topic &&
          partition === letter.original.partition &&
          offset === letter.original.offset,
      ) as Written | undefined;
      expect(report).to.include({ read: 1, replayed: 1 });
      expect(sent()[0]).to.include({ topic: letter.original.topic, partition: letter.original.partition });
      expect(sent()[0]?.value).to.deep.equal(hex(input?.value ?? null));

      // Over a driver that sends only text, what it was stays known.
      rig = new LetterRig();
      rig.kafka.sendsBytesInHeaders = false;
      await replay([{ headers: headersOf(each), key: each.key, value: hex(each.value) }]);
      const { headers = [] } = sent()[0]!;
      expect(headers.filter(([, value]) => value === null || value.includes(0) || !isUtf8(value))).to.deep.equal([]);
      const { topic, partition, offset } = letter.original;
      expect(readDeadLetter({ headers })?.original).to.include({ topic, partition, offset });
    });
  }

  it("leaves what where does not want, what nobody known has written, and what was written back too often", async () => {
    const report = await replay(
      [
        { headers: plain(0) },
        { headers: plain(1, { "millrace-error-message": "400" }) },
        { headers: [] },
        { headers: plain(3, { "millrace-replays": "3" }) },
        { headers: plain(4, { "millrace-replays": "2" }) },
      ],
      { where: ({ error }) => error.message === "503" },
    );
    expect(sent().map(({ headers = [] }) => readDeadLetter({ headers })?.original.offset)).to.deep.equal([0, 4]);
    expect(report).to.include({ read: 5, replayed: 2, left: 1, unknown: 1, tooOften: 1 });
    expect(String(report)).to.equal(
      "5 read, 2 written back, 1 left by where, 1 not written by anybody that is known, 1 written back too often before",
    );
    expect(rig.committed.at(-1)).to.equal(5);
  });

  it("leaves what would fail again", async () => {
    const report = await replay(
      [
        { headers: plain(0), value: "good" },
        { headers: plain(1), value: "bad" },
      ],
      {
        verify: ({ value }) => (String(value) === "bad" ? Promise.reject(new Error("still bad")) : undefined),
      },
    );
    expect(report).to.include({ replayed: 1, refused: 1 });
    expect(sent().map(({ value }) => String(value))).to.deep.equal(["good"]);
  });

  it("writes nothing and commits nothing in a dry run, and reports the same", async () => {
    const report = await replay([{ headers: plain(0) }, { headers: [] }], { dryRun: true });
    expect(report).to.include({ read: 2, replayed: 1, unknown: 1 });
    expect(String(report)).to.match(/^nothing was written: 2 read, 1 written back/);
    expect(sent()).to.deep.equal([]);
    expect(rig.committed).to.deep.equal([]);
  });

  it("writes elsewhere where it is told to, and lets the key choose the partition", async () => {
    await replay([{ headers: plain(0) }], { to: ({ original }) => `${original.topic}-again` });
    expect(sent()[0]?.topic).to.equal("t-again");
    expect(sent()[0]).not.to.have.property("partition");
  });

  it("undoes base64 where the driver sends bytes, and else leaves it", async () => {
    const headers: Headers = [...plain(0), ["millrace-b64-trace", Buffer.from("/wA=")]];
    await replay([{ headers }]);
    expect(sent()[0]?.headers).to.deep.include(["trace", Buffer.from([0xff, 0])]);
    rig = new LetterRig();
    rig.kafka.sendsBytesInHeaders = false;
    await replay([{ headers }]);
    expect(sent()[0]?.headers?.some(([name]) => name === "millrace-b64-trace")).to.equal(true);
  });

  it("rejects, and commits nothing of it, where a record cannot be written", async () => {
    const failure = new KafkaConnectorError("PRODUCE_FAILED", "no broker");
    rig.onSent = (producer, [first]) => setImmediate(() => producer.fail(first!.id, failure));
    expect(await rejectionOf(replay([{ headers: plain(0) }]))).to.equal(failure);
    expect(rig.committed).to.deep.equal([]);
  });

  it("rejects with what where throws", async () => {
    const failure = new Error("oh");
    const where = (): boolean => {
      throw failure;
    };
    expect(await rejectionOf(replay([{ headers: plain(0) }], { where }))).to.equal(failure);
  });

  it("rejects where there is no such topic, instead of waiting for it", async () => {
    const call = replayDeadLetters({ kafka: rig.settings.kafka, topic: "missing-dlt" });
    expect(await rejectionOf(call)).to.include({ code: "TOPIC_NOT_FOUND" });
  });

  it("refuses settings that are none", async () => {
    for (const wrong of [{ topic: "" }, { rate: 0.5 }, { maxRounds: 0 }, { where: true }, { filter: () => true }]) {
      const call = replayDeadLetters({ kafka: rig.settings.kafka, topic: "t-dlt", ...wrong } as never);
      expect(await rejectionOf(call)).to.include({ code: "INVALID_SETTINGS" });
    }
  });
});
