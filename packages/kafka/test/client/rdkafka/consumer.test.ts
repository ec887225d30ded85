import { expect } from "chai";
import type { ClientTimeouts } from "../../../src/client/rdkafka/client-life.js";
import { RdkafkaConsumer } from "../../../src/client/rdkafka/consumer.js";
import type { NativeMessage } from "../../../src/client/rdkafka/native.js";
import type { ConsumerListener } from "../../../src/client/port.js";
import { codeThrownBy, rejectionOf } from "./support/errors.js";
import { type Consume, FakeConsumer } from "./support/fake-native.js";

const TIMEOUTS: ClientTimeouts = { connectMs: 1000, closeMs: 60, graceMs: 30 };

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const message = (offset: number): NativeMessage => ({ topic: "t", partition: 0, offset, key: null, value: null });

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

describe("RdkafkaConsumer", () => {
  describe("poll", () => {
    it("rejects with the client's code and goes on", async () => {
      const { native, consumer } = await setUp();
      native.onConsume = (consume) => consume.fail({ code: -140, message: "No offset" });
      expect(await rejectionOf(consumer.poll({ maxRecords: 10, waitMs: 50 }))).to.include({
        code: "POLL_FAILED",
        clientCode: -140,
      });
      native.onConsume = (consume) => consume.answer([message(1)]);
      expect((await consumer.poll({ maxRecords: 1, waitMs: 50 }))?.offset(0)).to.equal(1);
    });

    describe("names the topic of an error that is one's of a topic", () => {
      interface Case {
        readonly wanted: readonly string[];
        readonly shown?: readonly string[];
        readonly fetched?: readonly string[];
        readonly code?: number;
      }
      const cases: [what: string, given: Case, said: string][] = [
        ["the only one", { wanted: ["a"] }, "read topic a:"],
        ["the one that the broker hides", { wanted: ["a", "b"], shown: ["b"] }, "read topic a:"],
        ["all that do not exist", { wanted: ["a", "b", "c"], shown: ["b"], code: 3 }, "read topics a, c:"],
        ["the one that gave nothing", { wanted: ["a", "b"], shown: ["a", "b"], fetched: ["b"] }, "read topic a:"],
        ["any that may be it", { wanted: ["a", "b"], shown: ["a", "b"] }, "read one of the topics a, b:"],
        ["any where no broker answers", { wanted: ["a", "b"] }, "read one of the topics a, b:"],
        [
          "no more than five",
          { wanted: ["a", "b", "c", "d", "e", "f", "g"] },
          "read one of the topics a, b, c, d, e and 2 more:",
        ],
        ["none where it is of no topic", { wanted: ["a"], code: 30 }, "read: "],
      ];
      for (const kind of ["topics", "assignment"] as const) {
        for (const [what, { wanted, shown, fetched = [], code = 29 }, said] of cases) {
          it(`${what} (${kind})`, async () => {
            const { native, consumer } = await setUp();
            const partitions = wanted.map((topic) => ({ topic, partition: 0 }));
            consumer.subscribe(kind === "topics" ? { kind, topics: wanted } : { kind, partitions });
            native.assigned = partitions;
            native.shown = shown;
            native.fetched = fetched;
            native.onConsume = (consume) => consume.fail({ code, message: "" });
            const error = await rejectionOf(consumer.poll({ maxRecords: 10, waitMs: 50 }));
            expect(error).to.include({ code: "POLL_FAILED", clientCode: code });
            expect(error.message).to.contain(`The consumer could not ${said}`);
          });
        }
      }
    });

    describe("what librdkafka does not implement", () => {
      const cases: [what: string, features: readonly string[], said: RegExp | undefined][] = [
        [
          "zstd",
          ["gzip", "snappy", "lz4"],
          /topic a: the records are compressed by zstd, .*Install libzstd .*libzstd-dev/,
        ],
        ["gzip", ["zstd", "lz4"], /compressed by gzip, which some-kafka was built without\. Install zlib/],
        ["either of two", ["lz4"], /compressed by gzip or zstd, .*Install zlib .* and libzstd /],
        ["something else, where it has every codec", ["gzip", "zstd"], undefined],
      ];
      for (const [what, features, said] of cases) {
        for (const code of [-170, 76]) {
          it(`is ${what} (${code})`, async () => {
            const { native, consumer } = await setUp();
            consumer.subscribe({ kind: "topics", topics: ["a"] });
            native.build = { name: "some-kafka", features };
            native.onConsume = (consume) => consume.fail({ code, message: "" });
            const error = await rejectionOf(consumer.poll({ maxRecords: 10, waitMs: 50 }));
            expect(error).to.include({
              code: said ? "CODEC_MISSING" : "POLL_FAILED",
              clientCode: code,
              retriable: false,
            });
            expect(error.message).to.match(said ?? /could not read topic a: /);
          });
        }
      }
    });

    it("does not take end of partition or a timeout for an error", async () => {
      const { native, consumer } = await setUp();
      for (const code of [-191, -185]) {
        native.onConsume = (consume) => consume.fail({ code, message: "" });
        expect(await consumer.poll({ maxRecords: 10, waitMs: 0 })).to.equal(undefined);
      }
    });

    it("refuses a second poll while one runs, so that none overtakes", async () => {
      const { native, consumer } = await setUp();
      const first = consumer.poll({ maxRecords: 1, waitMs: 50 });
      expect(await rejectionOf(consumer.poll({ maxRecords: 1, waitMs: 50 }))).to.include({ code: "POLL_FAILED" });
      native.consumes[0]?.answer([message(0)]);
      expect((await first)?.length).to.equal(1);
    });

    it("gives the record and keeps an error behind it for the next poll", async () => {
      const { native, consumer } = await setUp();
      native.onConsume = (consume) =>
        native.consumes.length === 1 ? consume.answer([message(0)]) : consume.fail({ code: -195, message: "" });
      expect((await consumer.poll({ maxRecords: 10, waitMs: 50 }))?.length).to.equal(1);
      expect(await rejectionOf(consumer.poll({ maxRecords: 10, waitMs: 50 }))).to.include({
        clientCode: -195,
        retriable: true,
      });
    });

    it("waits for the first record only: a trickle does not hold it for one timeout per record", async () => {
      const { native, consumer } = await setUp();
      let offset = 0;
      // A record comes during every wait, and none is ever queued.
      native.onConsume = (consume) => consume.answer(consume.timeoutMs > 0 ? [message(offset++)] : []);
      for (let poll = 0; poll < 3; poll++) {
        expect((await consumer.poll({ maxRecords: 1000, waitMs: 100 }))?.length).to.equal(1);
      }
      const waiting = native.consumes.filter(({ timeoutMs }) => timeoutMs > 0);
      expect(waiting.map(({ count }) => count)).to.deep.equal([1, 1, 1]);
    });

    it("takes a full queue in full batches, with one call each and no timeout", async () => {
      const { native, consumer } = await setUp();
      let offset = 0;
      native.onConsume = ({ answer, count }: Consume) => answer(Array.from({ length: count }, () => message(offset++)));
      await consumer.poll({ maxRecords: 1000, waitMs: 100 });
      native.consumes.length = 0;
      for (let poll = 0; poll < 3; poll++) {
        const chunk = await consumer.poll({ maxRecords: 1000, waitMs: 100 });
        expect(chunk?.length).to.equal(1000);
        expect(chunk?.offset(0)).to.equal(1000 * (poll + 1));
      }
      expect(native.consumes.map(({ count, timeoutMs }) => [count, timeoutMs])).to.deep.equal([
        [1000, 0],
        [1000, 0],
        [1000, 0],
      ]);
    });

    it("keeps order when records come with the awaited one", async () => {
      const { native, consumer } = await setUp();
      native.onConsume = ({ answer, count }: Consume) => answer(count === 1 ? [message(0)] : [message(1), message(2)]);
      const chunk = await consumer.poll({ maxRecords: 10, waitMs: 100 });
      expect([0, 1, 2].map((index) => chunk?.offset(index))).to.deep.equal([0, 1, 2]);
    });

    it("never holds a libuv thread for more than 100 ms at a stretch", async () => {
      const { native, consumer } = await setUp();
      native.onConsume = (consume) => consume.answer(native.consumes.length > 3 ? [message(0)] : []);
      await consumer.poll({ maxRecords: 1, waitMs: 60_000 });
      expect(Math.max(...native.consumes.map(({ timeoutMs }) => timeoutMs))).to.equal(100);
      expect(native.mostInFlight).to.equal(1);
    });
  });

  describe("commit", () => {
    const position = [{ topic: "t", partition: 0, offset: 5 }];

    it("rejects with the broker's code", async () => {
      const { native, consumer } = await setUp();
      const commit = consumer.commit(position);
      native.emit("offset.commit", { code: 27, message: "Broker: Group rebalance in progress" });
      expect(await rejectionOf(commit)).to.include({ code: "COMMIT_FAILED", clientCode: 27, retriable: true });
      const again = consumer.commit(position);
      native.emit("offset.commit", { code: 22, message: "Broker: Specified group generation id is not valid" });
      expect(await rejectionOf(again)).to.include({ code: "COMMIT_FAILED", clientCode: 22, retriable: false });
    });

    it("names the topics where one of them is forbidden", async () => {
      const { native, consumer } = await setUp();
      const commit = consumer.commit([...position, { topic: "t", partition: 1, offset: 2 }]);
      native.emit("offset.commit", { code: 29, message: "Broker: Topic authorization failed" });
      const error = await rejectionOf(commit);
      expect(error).to.include({ code: "COMMIT_FAILED", clientCode: 29 });
      expect(error.message).to.contain("refused the commit for topic t:");
    });

    it("rejects when the client refuses at once", async () => {
      const { native, consumer } = await setUp();
      native.throws.set("commit", Object.assign(new Error("erroneous state"), { code: -172 }));
      expect(await rejectionOf(consumer.commit(position))).to.include({ code: "COMMIT_FAILED", clientCode: -172 });
    });

    it("refuses a second one in flight", async () => {
      const { native, consumer } = await setUp();
      const first = consumer.commit(position);
      expect(await rejectionOf(consumer.commit(position))).to.include({ code: "COMMIT_FAILED", retriable: true });
      native.emit("offset.commit", undefined);
      await first;
    });

    it("of nothing resolves at once", async () => {
      const { native, consumer } = await setUp();
      await consumer.commit([]);
      expect(native.named).to.deep.equal([]);
    });

    it("in flight is served by close, which polls for its answer", async () => {
      const { native, consumer } = await setUp();
      const commit = consumer.commit(position);
      native.onConsume = (consume) => {
        if (native.consumes.length === 3) native.emit("offset.commit", undefined);
        consume.answer([]);
      };
      await consumer.close();
      await commit;
      expect(native.named).to.deep.equal(["commit", "disconnect"]);
    });

    it("in flight rejects with CONSUMER_CLOSED when close ends without its answer", async () => {
      const { native, consumer } = await setUp();
      const commit = rejectionOf(consumer.commit(position));
      native.onConsume = (consume) => consume.answer([]);
      await consumer.close();
      expect(await commit).to.include({ code: "CONSUMER_CLOSED" });
    });
  });

  describe("pause and resume", () => {
    it("do not throw for partitions that are no longer assigned", async () => {
      const { native, consumer } = await setUp();
      for (const code of [-190, -188]) {
        native.throws.set("pause", { code, message: "gone" });
        consumer.pause([{ topic: "t", partition: 9 }]);
      }
    });

    it("wrap other errors, and do nothing when there is nothing to do", async () => {
      const { native, consumer } = await setUp();
      consumer.pause([]);
      native.throws.set("resume", { code: -172, message: "" });
      expect(codeThrownBy(() => consumer.resume([{ topic: "t", partition: 9 }]))).to.equal("CLIENT_FAILED");
      await consumer.close();
      consumer.resume([{ topic: "t", partition: 9 }]);
      expect(native.named).to.deep.equal(["resume", "disconnect"]);
    });
  });

  describe("committed", () => {
    it("leaves out partitions without a position", async () => {
      const { native, consumer } = await setUp();
      const committed = consumer.committed([], 100);
      const done = native.calls[0]?.[1] as (error: null, answers: unknown[]) => void;
      done(null, [
        { topic: "t", partition: 0 },
        { topic: "t", partition: 1, offset: 4 },
      ]);
      expect(await committed).to.deep.equal([{ topic: "t", partition: 1, offset: 4 }]);
    });

    it("gives the metadata that was committed, where the binding hands it over", async () => {
      const { native, consumer } = await setUp();
      const committed = consumer.committed([], 100);
      const done = native.calls[0]?.[1] as (error: null, answers: unknown[]) => void;
      done(null, [
        { topic: "t", partition: 0, offset: 3, metadata: "m" },
        { topic: "t", partition: 1, offset: 4, metadata: "" },
      ]);
      expect(await committed).to.deep.equal([
        { topic: "t", partition: 0, offset: 3, metadata: "m" },
        { topic: "t", partition: 1, offset: 4 },
      ]);
    });

    it("rejects when one partition failed", async () => {
      const { native, consumer } = await setUp();
      const committed = rejectionOf(consumer.committed([], 100));
      const done = native.calls[0]?.[1] as (error: null, answers: unknown[]) => void;
      done(null, [new Error("Broker: Topic authorization failed")]);
      expect(await committed).to.include({ code: "CLIENT_FAILED", clientCode: 29 });
    });

    it("in flight is awaited by close, since disconnecting under it would crash", async () => {
      const { native, consumer } = await setUp();
      const committed = consumer.committed([], 100);
      const closed = consumer.close();
      await turn();
      expect(native.named).to.deep.equal(["committed"]);
      (native.calls[0]?.[1] as (error: null, answers: unknown[]) => void)(null, []);
      await Promise.all([committed, closed]);
      expect(native.named).to.deep.equal(["committed", "disconnect"]);
    });
  });

  it("rejects calls that the client never answers a second after their time, as retriable", async () => {
    const { native, consumer } = await setUp();
    const late = { code: "CLIENT_FAILED", clientCode: -185, retriable: true };
    const calls = [consumer.committed([], 5), consumer.watermarks({ topic: "t", partition: 0 }, 5)];
    for (const error of await Promise.all(calls.map(rejectionOf))) expect(error).to.include(late);
    expect(native.named).to.deep.equal(["committed", "queryWatermarkOffsets"]);
    // An answer that comes after all changes nothing.
    (native.calls[0]?.[1] as (error: null, answers: unknown[]) => void)(null, []);
  });

  describe("connect", () => {
    it("rejects a second after its time when the client never answers, and closes one that connects later", async () => {
      const native = new FakeConsumer();
      let answer: () => void = () => undefined;
      native.onConnect = (done) => (answer = done);
      const listener = { onAssign: () => undefined, onRevoke: () => undefined, onError: () => undefined };
      const consumer = new RdkafkaConsumer({ "group.id": "g" }, listener, { ...TIMEOUTS, connectMs: 5 }, native.create);
      expect(await rejectionOf(consumer.connect())).to.include({ code: "CONNECT_FAILED", retriable: true });
      await consumer.close();
      expect(native.named).to.deep.equal([]);
      answer();
      expect(native.named).to.deep.equal(["disconnect"]);
    });
  });

  describe("subscribe", () => {
    it("refuses a pattern that poses as a topic name", async () => {
      const { consumer } = await setUp();
      expect(codeThrownBy(() => consumer.subscribe({ kind: "topics", topics: ["^a"] }))).to.equal("INVALID_SETTINGS");
    });

    it("passes a pattern as text, since node-rdkafka prints regular expressions to stderr", async () => {
      const { native, consumer } = await setUp();
      consumer.subscribe({ kind: "pattern", pattern: /^a\./ });
      expect(native.calls).to.deep.equal([["subscribe", ["^a\\."]]]);
    });
  });

  it("reports the client's errors with their codes rebuilt", async () => {
    const { native, errors } = await setUp();
    native.emit("event.error", { code: -1, message: "all broker connections are down" });
    expect(errors[0]).to.include({ code: "CLIENT_FAILED", clientCode: -187, retriable: true, fatal: false });
  });

  describe("a loss of partitions", () => {
    const REVOKE = { code: -174 };
    for (const [what, tell] of [
      [
        "a poll that came too late",
        async ({ native, consumer }) => {
          native.onConsume = (consume) => consume.fail({ code: -147, message: "" });
          await rejectionOf(consumer.poll({ maxRecords: 1, waitMs: 0 }));
        },
      ],
      [
        "a commit of an unknown member",
        async ({ native, consumer }) => {
          const committing = rejectionOf(consumer.commit([{ topic: "t", partition: 0, offset: 1 }]));
          native.emit("offset.commit", { code: 25, message: "" });
          await committing;
        },
      ],
      ["a fenced instance", async ({ native }) => native.emit("event.error", { code: 82, message: "" })],
    ] as readonly (readonly [string, (given: Awaited<ReturnType<typeof setUp>>) => Promise<void>])[]) {
      it(`is reported after ${what}`, async () => {
        const told: string[] = [];
        const given = await setUp({ onRevoke: () => void told.push("revoked"), onLost: () => void told.push("lost") });
        given.native.rebalance?.(REVOKE, []);
        await tell(given);
        given.native.rebalance?.(REVOKE, []);
        expect(told).to.deep.equal(["revoked", "lost"]);
        await turn();
      });
    }
  });
});
