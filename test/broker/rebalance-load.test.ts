import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../../packages/kafka-testkit/test/support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { Crowd } from "./support/coming-and-going.js";
import { DeliveryBook } from "./support/delivery-book.js";
import { chosenSeed, randomNumbers } from "./support/random.js";
import { sequencedRecord } from "./support/sequences.js";
import { SteadyLoad } from "./support/steady-load.js";
import { committedPositions } from "./support/topics.js";

const PARTITIONS = 24;
const MEMBERS = 6;
/** Records a second, each of which every group gets. */
const RATE = 3000;
const SECONDS = Number(process.env["MILLRACE_REBALANCE_SECONDS"] ?? 120);
const STRATEGIES = ["range", "cooperative-sticky"];
const REVOKE_MS = 1500;
const REVOKE_COMMIT_MS = 5000;
const PATIENCE_MS = 20_000;
const REST_MS = 60_000;

interface Group {
  readonly name: string;
  readonly book: DeliveryBook;
  readonly crowd: Crowd;
}

describe(`groups of ${MEMBERS} that come and go under load, for ${SECONDS} seconds`, function () {
  this.timeout(SECONDS * 1000 + 180_000);
  const topic = "load";
  let kafka: LocalKafka;

  before(async function () {
    kafka = await ownBrokersOrSkip(this, {
      properties: { "offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "1000" },
    });
    await kafka.createTopic(topic, { partitions: PARTITIONS });
  });

  // Undefined when the hook above has skipped.
  after(() => (kafka as LocalKafka | undefined)?.stop());

  const report = ({ name, book, crowd }: Group): string => {
    const repeated = [...book.repeated].map(([why, count]) => `${count} ${why}`);
    const total = [...book.repeated.values()].reduce((sum, count) => sum + count, 0);
    return [
      `${name}: ${book.delivered} delivered, ${crowd.rebalances} assignments, ${book.handOvers} hand-overs of a partition`,
      `  left: ${[...crowd.leavings].map(([how, count]) => `${count} ${how}`).join(", ")}`,
      `  slowest hand-over ${Math.round(book.slowestHandOverMs)} ms, longest wait of a member ${Math.round(book.slowestMemberMs)} ms`,
      `  ${total} repeated, ${book.objections.length === 0 ? "all within the uncommitted window" : "with objections"}${repeated.length > 0 ? `: ${repeated.join(", ")}` : ""}\n`,
    ].join("\n");
  };

  it("lose nothing, repeat only what was not committed, and leave nobody stuck, eager and cooperative", async () => {
    const seed = chosenSeed();
    const groups: readonly Group[] = STRATEGIES.map((strategy, index) => {
      const name = `load-${strategy}`;
      const book = new DeliveryBook({
        partitions: PARTITIONS,
        revokeTimeoutMs: REVOKE_MS,
        commitTimeoutMs: REVOKE_COMMIT_MS,
        patienceMs: PATIENCE_MS,
      });
      const crowd = new Crowd({
        brokers: kafka.brokers,
        groupId: name,
        topic,
        strategy,
        members: MEMBERS,
        revokeTimeoutMs: REVOKE_MS,
        book,
        random: randomNumbers(seed + index),
      });
      return { name, book, crowd };
    });
    await using load = await SteadyLoad.start({
      brokers: kafka.brokers,
      partitions: PARTITIONS,
      rate: RATE,
      recordOf: (partition, sequence) => sequencedRecord(topic, partition, sequence),
    });
    const looking = setInterval(() => {
      for (const { book } of groups) book.look(load.acknowledged);
    }, 100);
    try {
      await Promise.all(groups.map(({ crowd }) => crowd.run(SECONDS * 1000)));
      const ends = await load.stop();
      const rest = (): boolean => groups.every(({ book }) => book.missing(ends) === 0);
      await eventually("everything is delivered", rest, REST_MS).catch(() => undefined);
      await Promise.all(groups.map(({ crowd }) => crowd.drain()));
      for (const group of groups) process.stderr.write(report(group));
      for (const { name, book, crowd } of groups) {
        expect(book.missing(ends), `lost by ${name}`).to.equal(0);
        expect(book.objections, name).to.deep.equal([]);
        expect(crowd.failures, name).to.deep.equal([]);
        expect(await committedPositions(kafka.brokers, name, topic, PARTITIONS), name).to.deep.equal(ends);
      }
    } finally {
      clearInterval(looking);
      await Promise.all(groups.map(({ crowd }) => crowd.drain()));
    }
  });
});
