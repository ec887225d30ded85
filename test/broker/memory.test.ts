import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  DrainingControl,
  type KafkaDriver,
  rdkafkaDriver,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import type { Logger } from "@millrace/streams";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const PARTITIONS = 4;
const PER_PARTITION = 125_000;
const VALUE_BYTES = 400;
const STALL_MS = 20_000;
const MEGABYTE = 2 ** 20;
/** Above what the process has before it consumes; the client's own queues are in it, the whole topic is not. */
const MOST_RESIDENT = 180 * MEGABYTE;

interface Rebalances extends Logger {
  readonly seen: string[];
}

const rebalances = (): Rebalances => {
  const seen: string[] = [];
  const note = (message: string): void => void seen.push(message);
  return { seen, debug: () => undefined, info: note, warn: note, error: note };
};

/** The usual driver, which counts how often partitions are paused. */
const countingPauses = (): KafkaDriver & { readonly pauses: () => number } => {
  let pauses = 0;
  return {
    ...rdkafkaDriver,
    pauses: () => pauses,
    consumer(properties, listener) {
      const client = rdkafkaDriver.consumer(properties, listener);
      const pause = client.pause.bind(client);
      client.pause = (partitions) => {
        pauses += 1;
        pause(partitions);
      };
      return client;
    },
  };
};

describe("a slow sink behind a fast topic of 200 MB", function () {
  this.timeout(120_000);
  const topic = `flood-${process.pid}`;
  let kafka: LocalKafka;
  let running: DrainingControl<void> | undefined;

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(topic, { partitions: PARTITIONS });
    const value = Buffer.alloc(VALUE_BYTES, "x");
    const records = function* () {
      for (let index = 0; index < PARTITIONS * PER_PARTITION; index++) {
        yield { topic, partition: index % PARTITIONS, key: null, value };
      }
    };
    await fill(kafka.brokers, records());
  });

  afterEach(() => running?.drainAndShutdown().catch(() => undefined));

  /** Counts what is delivered, and what is not the next record of its partition. */
  class Deliveries {
    readonly next: number[] = Array.from({ length: PARTITIONS }, () => 0);
    count = 0;
    violations = 0;

    add(partition: number, offset: number): void {
      if (offset !== this.next[partition]) this.violations += 1;
      this.next[partition] = offset + 1;
      this.count += 1;
    }
  }

  interface Consumption {
    readonly deliveries: Deliveries;
    readonly logger: Logger;
    readonly driver: KafkaDriver;
    readonly maxBufferedRecords: number;
    readonly gate: () => Promise<void> | undefined;
  }

  /** Commits everything; asks `gate` before each record is passed on. */
  const consume = (
    groupId: string,
    { deliveries, logger, driver, maxBufferedRecords, gate }: Consumption,
  ): DrainingControl<void> =>
    (running = committableSource({
      kafka: { brokers: kafka.brokers, groupId, logger, driver },
      topics: [topic],
      maxBufferedRecords,
      properties: {
        "auto.offset.reset": "earliest",
        // Shorter than the stall: a member whose heartbeats or polls stopped would be put out of the group.
        "session.timeout.ms": 6000,
        "max.poll.interval.ms": 8000,
      },
    })
      .mapAsync(1, ({ record, offset }) => {
        deliveries.add(record.partition, record.offset);
        const opened = gate();
        return opened === undefined ? offset : opened.then(() => offset);
      })
      .batch(500, CommittableOffsetBatch.of, (batch, offset) => batch.updated(offset))
      .toMat(committerSink(), DrainingControl.from)
      .run());

  it("stays small while the sink takes nothing, keeps its place in the group, and goes on when the sink does", async () => {
    const groupId = `${topic}-stalled`;
    const deliveries = new Deliveries();
    const log = rebalances();
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const driver = countingPauses();
    const control = consume(groupId, {
      deliveries,
      logger: log,
      driver,
      // Small enough for the stall to outlast it: then partitions are paused.
      maxBufferedRecords: 100,
      gate: () => (deliveries.count === 1 ? gate : undefined),
    });
    await eventually("the first record is delivered", () => deliveries.count === 1, 20_000);

    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const most = { heapUsed: 0, external: 0, rss: 0 };
    const cpu = process.cpuUsage();
    const stalled = performance.now();
    // The stall itself is what is tested: it has to last.
    while (performance.now() - stalled < STALL_MS) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const usage = process.memoryUsage();
      for (const figure of ["heapUsed", "external", "rss"] as const)
        most[figure] = Math.max(most[figure], usage[figure]);
    }
    delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    process.stderr.write(
      `stalled for ${STALL_MS / 1000} s: heap ${Math.round(most.heapUsed / MEGABYTE)} MB, ` +
        `external ${Math.round(most.external / MEGABYTE)} MB, rss ${Math.round(most.rss / MEGABYTE)} MB, ` +
        `longest event-loop delay ${Math.round(delay.max / 1e6)} ms, CPU ${Math.round((user + system) / 1e3)} ms\n`,
    );
    expect(deliveries.count).to.equal(1);
    expect(driver.pauses()).to.equal(1);
    expect(most.heapUsed).to.be.below(150 * MEGABYTE);
    expect(most.rss - before, "bytes resident above the start").to.be.below(MOST_RESIDENT);
    expect(delay.max / 1e6, "ms for which the event loop stood still").to.be.below(250);

    open();
    await eventually(
      "the rest is delivered",
      () => deliveries.count >= PARTITIONS * PER_PARTITION || deliveries.violations > 0,
      60_000,
    );
    await control.drainAndShutdown();
    expect(deliveries).to.deep.include({ violations: 0, next: deliveries.next.map(() => PER_PARTITION) });
    expect(await committedPositions(kafka.brokers, groupId, topic, PARTITIONS)).to.deep.equal(deliveries.next);
    expect(log.seen, "assigned once, given up at the end, and nothing to complain of").to.deep.equal([
      "kafka consumer: partitions assigned",
      "kafka consumer: partitions revoked",
    ]);
  });

  it("loses, repeats and reorders nothing when the sink stops and goes again", async () => {
    const deliveries = new Deliveries();
    const stops = 6;
    const between = 2000;
    let stopped = 0;
    // Long enough for the consumer to pause its partitions, and a number of records after which it resumes them.
    const gate = (): Promise<void> | undefined => {
      if (stopped >= stops || deliveries.count < stopped * between) return undefined;
      stopped += 1;
      return new Promise((resolve) => setTimeout(resolve, 500));
    };
    const driver = countingPauses();
    const settings = { deliveries, logger: rebalances(), driver, maxBufferedRecords: 4, gate };
    const control = consume(`${topic}-jerky`, settings);
    await eventually(
      "the stops are over, and more has come",
      () => deliveries.count >= (stops + 5) * between || deliveries.violations > 0,
      60_000,
    );
    await control.drainAndShutdown();
    expect(stopped).to.equal(stops);
    expect(driver.pauses()).to.be.at.least(stops);
    expect(deliveries.violations).to.equal(0);
    expect(await committedPositions(kafka.brokers, `${topic}-jerky`, topic, PARTITIONS)).to.deep.equal(deliveries.next);
  });
});
