import { committableSource, committerSink, DrainingControl, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { Crowd } from "./support/coming-and-going.js";
import { DeliveryBook } from "./support/delivery-book.js";
import { chosenSeed, randomNumbers } from "./support/random.js";
import { sequencedRecord, sequencedRecords } from "./support/sequences.js";
import { SteadyLoad } from "./support/steady-load.js";
import { committedPositions, fill } from "./support/topics.js";

const PARTITIONS = 24;
const MEMBERS = 6;
/** Records a second, each of which every group gets. */
const RATE = 3000;
const SECONDS = Number(process.env["MILLRACE_REBALANCE_SECONDS"] ?? 120);
const STRATEGIES = ["range", "cooperative-sticky"];
const REVOKE_MS = 1500;
/** After each member that comes or goes, librdkafka may rest for a second, and several do so in a row. */
const PATIENCE_MS = 30_000;
const REST_MS = 60_000;
/** The broker of this file forgets what was committed a minute ago to a group without members. */
const RETENTION_MS = 60_000;
const IDLE_MS = RETENTION_MS + 10_000;
const FORGET_MS = 2 * RETENTION_MS;
const FEW = 10;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Reads a partition that is assigned by hand; resolves with the offset it began at once that is so, and `until` has passed. */
async function read(
  brokers: string,
  name: string,
  refreshIntervalMs: number | undefined,
  until: Promise<unknown>,
): Promise<number> {
  let first: number | undefined;
  const control = committableSource({
    kafka: { brokers, groupId: name },
    assignment: [{ topic: "idle", partition: 0 }],
    value: string(),
    autoOffsetReset: "earliest",
  })
    .map(({ record, offset }) => {
      first ??= record.offset;
      return offset;
    })
    .toMat(committerSink({ maxIntervalMs: 100, ...(refreshIntervalMs && { refreshIntervalMs }) }), DrainingControl.from)
    .run();
  try {
    await eventually(`${name} reads`, () => first !== undefined, REST_MS);
    await until;
  } finally {
    await control.drainAndShutdown();
  }
  return first ?? -1;
}

/** C-55: where readers that were idle for longer than the broker keeps positions begin, with a refresh and without. */
async function idle(brokers: string): Promise<{ readonly refreshed: number; readonly forgotten: number }> {
  await fill(brokers, sequencedRecords("idle", 1, FEW));
  const positionOf = async (group: string): Promise<number> =>
    (await committedPositions(brokers, group, "idle", 1))[0] ?? 0;
  const forgotten = async (): Promise<void> => {
    const began = Date.now();
    await eventually(
      "both have committed",
      async () => {
        await sleep(500);
        return (await positionOf("refreshed")) === FEW && (await positionOf("forgotten")) === FEW;
      },
      REST_MS,
    );
    await sleep(IDLE_MS);
    for (let position = await positionOf("forgotten"); position !== 0; position = await positionOf("forgotten")) {
      if (Date.now() - began > FORGET_MS) throw new Error(`The broker still knows ${position}, which it should forget`);
      await sleep(1000);
    }
  };
  const over = forgotten();
  await Promise.all([read(brokers, "refreshed", 5000, over), read(brokers, "forgotten", undefined, over)]);
  await fill(brokers, sequencedRecords("idle", 1, 1));
  const [first, other] = await Promise.all(
    ["refreshed", "forgotten"].map((name) => read(brokers, name, undefined, sleep(0))),
  );
  return { refreshed: first ?? -1, forgotten: other ?? -1 };
}

interface Group {
  readonly name: string;
  readonly book: DeliveryBook;
  readonly crowd: Crowd;
}

describe(`groups of ${MEMBERS} that come and go under load, for ${SECONDS} seconds`, function () {
  this.timeout(SECONDS * 1000 + 180_000);
  const topic = "load";
  let kafka: LocalKafka;
  let idling: ReturnType<typeof idle> | undefined;

  before(async function () {
    kafka = await ownBrokersOrSkip(this, {
      properties: { "offsets.retention.minutes": "1", "offsets.retention.check.interval.ms": "1000" },
    });
    await kafka.createTopic(topic, { partitions: PARTITIONS });
    await kafka.createTopic("idle", { partitions: 1 });
    // It has to wait for more than a minute, which the tests below take anyhow.
    idling = idle(kafka.brokers);
    idling.catch(() => undefined);
  });

  after(async () => {
    await idling?.catch(() => undefined);
    // Undefined when the hook above has skipped.
    await (kafka as LocalKafka | undefined)?.stop();
  });

  const report = ({ name, book, crowd }: Group): string => {
    const repeated = [...book.repeated].map(([why, count]) => `${count} ${why}`);
    const total = [...book.repeated.values()].reduce((sum, count) => sum + count, 0);
    return [
      `${name}: ${book.delivered} delivered, ${crowd.rebalances} assignments, ${book.handOvers} hand-overs of a partition`,
      `  left: ${[...crowd.leavings].map(([how, count]) => `${count} ${how}`).join(", ")}`,
      `  ${crowd.slow} records took longer than a revocation waits, and ${book.timedOut} revocations waited in vain`,
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
      for (const group of groups) process.stderr.write([report(group), ...group.book.objections].join("  \n"));
      const positions = (name: string) => committedPositions(kafka.brokers, name, topic, PARTITIONS);
      for (const { name, book, crowd } of groups) {
        const { objections, timedOut, slowestHandOverMs } = book;
        const found = {
          lost: book.missing(ends),
          objections,
          failures: crowd.failures,
          committed: await positions(name),
        };
        expect(found, name).to.deep.equal({ lost: 0, objections: [], failures: [], committed: ends });
        // Each of them keeps two revocations waiting, at most, and a busy machine one now and then.
        expect(timedOut, `revocations of ${name} that ran out of time`).to.be.at.most(2 * crowd.slow + 5);
        expect(slowestHandOverMs, `hand-over of ${name}`).to.be.below(PATIENCE_MS);
      }
    } finally {
      clearInterval(looking);
      await Promise.all(groups.map(({ crowd }) => crowd.drain()));
    }
  });

  it("C-55 find their positions after longer than the broker keeps them, where those are refreshed", async () => {
    expect(await idling).to.deep.equal({ refreshed: FEW, forgotten: 0 });
  });
});
