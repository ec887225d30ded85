import {
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  plainSource,
  sharedConsumer,
  silentLogger,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type FakeRecord, records } from "../../support/fake-chunk.js";
import type { FakeConsumer } from "../../support/fake-consumer.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1, source } from "../../support/pipelines.js";
import { rejectionOf, until } from "../../support/until.js";
import { Latch } from "../../../../../test/support/latch.js";
import { CODE, numbered } from "../../../src/client/codes.js";

/** As `BrokerWatch` tells it. */
const lost = (): KafkaConnectorError =>
  new KafkaConnectorError("CLIENT_FAILED", "no broker any more", { ...numbered(CODE.allBrokersDown), fatal: true });

describe("a client that has lost its brokers for good", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let seen: string[];
  let warned: string[];
  let gate: Latch | undefined;
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    seen = [];
    warned = [];
    gate = undefined;
  });
  afterEach(() => kafka.verify());

  const warn = (message: string): void => void warned.push(message);
  const logger = { ...silentLogger, warn };
  const settings = () => ({ kafka: { ...kafka.settings, logger }, topics: ["t"] });
  const handle = async (offset: number): Promise<void> => {
    seen.push(`${kafka.consumers.length}:${offset}`);
    if (offset >= 2) await gate?.opened;
  };
  const committing = committerSink({ maxBatch: 1 });
  const surfaces = {
    explicit: () =>
      source(kafka, settings())
        .mapAsync(10, async (message) => {
          await handle(message.record.offset);
          return message.offset;
        })
        .toMat(committing, DrainingControl.from)
        .run({ clock }),
    followed: () =>
      sourceWithOffsetContext(settings())
        .mapAsync(10, ({ offset }) => handle(offset))
        .toMat(committing, DrainingControl.from)
        .run({ clock }),
  };
  /** Time passes until a client of that number has subscribed. */
  const another = async (number: number): Promise<void> => {
    for (let tries = 0; tries < 100; tries++) {
      if (kafka.consumers[number - 1]?.of("subscribe").length === 1) return;
      await clock.advance(100);
      // Polls of the fake take real time.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`there are ${kafka.consumers.length} clients, and ${number} is not at work`);
  };
  const positions = (client: FakeConsumer): number[] =>
    client.of("commit").flatMap((each) => each.positions.map(({ offset }) => offset));

  for (const [surface, run] of Object.entries(surfaces)) {
    it(`is exchanged for a new one, which reads again what was in flight (${surface})`, () =>
      assertAllClosed(async () => {
        gate = new Latch();
        const control = run();
        const first = kafka.client;
        await first.assign(p0);
        first.give(records("t", 0, 0, 4));
        await until(() => seen.length === 4 && positions(first).at(-1) === 2, "four records, and two commits");
        first.listener.onError(lost());
        first.listener.onError(lost());
        await another(2);
        expect(first.closed).to.equal(true);
        gate.open();
        await kafka.client.assign(p0);
        expect(kafka.client.of("assigned")[0]?.partitions).to.deep.equal([{ ...p0, offset: 2 }]);
        kafka.client.give(records("t", 0, 2, 4));
        await until(() => positions(kafka.client).at(-1) === 6, "the last commit");
        expect(seen).to.deep.equal(["1:0", "1:1", "1:2", "1:3", "2:2", "2:3", "2:4", "2:5"]);
        expect(positions(first).at(-1)).to.equal(2);
        expect(warned.filter((each) => each.includes("reaches no broker any more"))).to.have.length(1);
        await control.drainAndShutdown();
      }));

    it(`is exchanged too where it never answers a commit again, also when it is closed (${surface})`, () =>
      assertAllClosed(async () => {
        const control = run();
        const first = kafka.client;
        let commits = 0;
        first.commit = () => {
          commits += 1;
          return new Promise(() => undefined);
        };
        await first.assign(p0);
        first.give(records("t", 0, 0, 1));
        await until(() => commits === 1, "the commit");
        first.listener.onError(lost());
        await another(2);
        await kafka.client.assign(p0);
        kafka.client.give(records("t", 0, 0, 2));
        await until(() => positions(kafka.client).at(-1) === 2, "the commit of the new one");
        await control.drainAndShutdown();
      }));
  }

  it("is exchanged as often as it happens, and by one that connects in the end", () =>
    assertAllClosed(async () => {
      const control = surfaces.followed();
      const away = new KafkaConnectorError("CONNECT_FAILED", "brokers are away", { retriable: true });
      kafka.onConsumer = (consumer) => {
        if (kafka.consumers.length % 2 === 1) {
          consumer.connecting = Promise.reject(away);
          consumer.connecting.catch(() => undefined);
        }
      };
      kafka.client.listener.onError(lost());
      await another(3);
      kafka.client.listener.onError(lost());
      await another(5);
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => positions(kafka.client).at(-1) === 1, "the commit");
      await control.drainAndShutdown();
    }));

  it("fails the stream where no new one can be made", () =>
    assertAllClosed(async () => {
      const control = surfaces.followed();
      const refused = new KafkaConnectorError("CONNECT_FAILED", "no such user");
      kafka.onConsumer = (consumer) => {
        consumer.connecting = Promise.reject(refused);
        consumer.connecting.catch(() => undefined);
      };
      kafka.client.listener.onError(lost());
      await clock.advance(0);
      expect(await rejectionOf(control.streamCompletion)).to.equal(refused);
      expect(kafka.consumers).to.have.length(2);
      await rejectionOf(control.drainAndShutdown());
    }));

  it("is left as it is by a stream that is being drained, for which no new one could commit", () =>
    assertAllClosed(async () => {
      gate = new Latch();
      const control = surfaces.followed();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 2, 1));
      await until(() => seen.length === 1, "a record");
      const drained = control.drainAndShutdown();
      await until(() => control.explain().state === "stopped", "the drain");
      kafka.client.listener.onError(lost());
      gate.open();
      await drained;
      expect(positions(kafka.client)).to.deep.equal([3]);
      expect(kafka.consumers).to.have.length(1);
    }));

  it("is exchanged for all that share it", () =>
    assertAllClosed(async () => {
      const shared = sharedConsumer({ kafka: { ...kafka.settings, logger } });
      const names: string[] = [];
      const streams = [p0, p1].map((place) =>
        plainSource({ consumer: shared, assignment: [place] })
          .map(({ partition, offset }) => void names.push(`${partition}@${offset}`))
          .toMat(Sink.ignore, DrainingControl.from)
          .run(),
      );
      const given = async (chunk: FakeRecord[], last: string): Promise<void> => {
        kafka.client.give(chunk);
        await until(() => names.includes(last), last);
      };
      await until(() => shared.assignment().length === 2, "both");
      await given(records("t", 0, 0, 2), "0@1");
      await given([...records("t", 0, 2, 1), ...records("t", 1, 0, 1)], "1@0");
      kafka.client.listener.onError(lost());
      await until(() => kafka.consumers.length === 2 && shared.assignment().length === 2, "a new client with both");
      expect(kafka.consumers[0]?.closed).to.equal(true);
      expect(kafka.client.of("addPartitions").flatMap(({ partitions }) => partitions)).to.have.deep.members([
        // The last that was handed over of each: how much of it was seen is not known.
        { ...p0, offset: 2 },
        { ...p1, offset: 0 },
      ]);
      await given([...records("t", 0, 2, 2), ...records("t", 1, 0, 2)], "1@1");
      expect(names).to.include("0@3");
      expect(kafka.consumers).to.have.length(2);
      for (const each of streams) await each.drainAndShutdown();
      await shared.close();
    }));
});
