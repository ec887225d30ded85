import {
  committerSink,
  type ConsumerClient,
  type ConsumerListener,
  DrainingControl,
  type KafkaDriver,
  KafkaConnectorError,
  rdkafkaDriver,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { sequencedRecords } from "./support/sequences.js";
import { committedPositions, fill } from "./support/topics.js";

const PARTITIONS = 4;
const PER_PARTITION = 2000;
const STEP_MS = 30_000;
const ALL_BROKERS_DOWN = -187;

/** The default driver, the clients of which can be cut off from all brokers for good, as librdkafka does to itself at times. */
class Cutter {
  clients = 0;
  #cut: () => void = () => undefined;

  /** What the newest client asks for is never answered again; then it says so. */
  cut(): void {
    this.#cut();
  }

  readonly driver: KafkaDriver = {
    ...rdkafkaDriver,
    consumer: (properties, listener) => {
      this.clients += 1;
      return this.#cuttable(rdkafkaDriver.consumer(properties, listener), listener);
    },
  };

  #cuttable(client: ConsumerClient, listener: ConsumerListener): ConsumerClient {
    let isCut = false;
    this.#cut = () => {
      isCut = true;
      const told = "The client reaches no broker any more.";
      listener.onError(
        new KafkaConnectorError("CLIENT_FAILED", told, {
          clientCode: ALL_BROKERS_DOWN,
          reason: "brokersDown",
          fatal: true,
        }),
      );
    };
    const silent = (): Promise<never> => new Promise(() => undefined);
    const cut: Partial<ConsumerClient> = {
      commit: silent,
      committed: silent,
      poll: ({ waitMs }) => new Promise((resolve) => void setTimeout(resolve, waitMs, undefined)),
    };
    // A proxy, because the client's own methods reach for its private fields.
    return new Proxy(client, {
      get(target, name) {
        if (isCut && name in cut) return cut[name as keyof typeof cut];
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  }
}

describe("a client that has lost its brokers for good, on a real broker", function () {
  this.timeout(4 * STEP_MS);
  const topic = `lost-brokers-${process.pid}`;
  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(topic, { partitions: PARTITIONS });
    await fill(kafka.brokers, sequencedRecords(topic, PARTITIONS, PER_PARTITION));
  });

  for (const groupProtocol of ["classic", "consumer"] as const) {
    it(`is exchanged, twice: nothing is lost, and the stream goes on (group protocol ${groupProtocol})`, async () => {
      const groupId = `${topic}-${groupProtocol}`;
      const cutter = new Cutter();
      const handled = new Set<string>();
      const control = sourceWithOffsetContext({
        kafka: { brokers: kafka.brokers, groupId, driver: cutter.driver },
        ...{ topics: [topic], groupProtocol, autoOffsetReset: "earliest", maxPollRecords: 100, maxInFlight: 100 },
      })
        .mapAsync(20, async ({ partition, offset }) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          handled.add(`${partition}:${offset}`);
        })
        .toMat(committerSink({ maxBatch: 20 }), DrainingControl.from)
        .run();
      for (const [cuts, share] of [0.2, 0.6].entries()) {
        await eventually("some records", () => handled.size > share * PARTITIONS * PER_PARTITION, STEP_MS);
        cutter.cut();
        await eventually("a new client", () => cutter.clients === cuts + 2, STEP_MS);
      }
      await eventually("all records", () => handled.size === PARTITIONS * PER_PARTITION, STEP_MS);
      await control.drainAndShutdown();
      expect(await committedPositions(kafka.brokers, groupId, topic, PARTITIONS)).to.deep.equal(
        Array.from({ length: PARTITIONS }, () => PER_PARTITION),
      );
      expect(cutter.clients).to.equal(3);
    });
  }
});
