import type { DrainingControl } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { startCopy } from "./support/copy-job.js";
import { SequenceCheck, sequencedRecords } from "./support/sequences.js";
import { committedPositions, fill, TopicReader } from "./support/topics.js";

const PARTITIONS = 8;
const PER_PARTITION = 8000;
const TOTAL = PARTITIONS * PER_PARTITION;
/** Acknowledged records after which the second member leaves again. */
const VISIT = 4000;
const STEP_MS = 30_000;

interface Member {
  readonly control: DrainingControl<void>;
  acknowledged: number;
}

describe("copying while a second consumer joins and leaves the group", function () {
  this.timeout(90_000);
  const from = `rebalance-from-${process.pid}`;
  let kafka: LocalKafka;
  const members: Member[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(from, { partitions: PARTITIONS });
    await fill(kafka.brokers, sequencedRecords(from, PARTITIONS, PER_PARTITION));
  });

  afterEach(async () => {
    const controls = members.splice(0).map(({ control }) => control);
    await Promise.all(controls.map((control) => control.drainAndShutdown().catch(() => undefined)));
  });

  function join(name: string, strategy: string): Member {
    const control = startCopy({
      brokers: kafka.brokers,
      groupId: name,
      from,
      to: name,
      lookUpMs: 1,
      properties: {
        "partition.assignment.strategy": strategy,
        "heartbeat.interval.ms": 100,
        "session.timeout.ms": 6000,
      },
      onAcknowledged: () => {
        member.acknowledged += 1;
      },
    });
    const member: Member = { control, acknowledged: 0 };
    members.push(member);
    return member;
  }

  for (const strategy of ["range", "cooperative-sticky"]) {
    it(`loses nothing and keeps the order of first deliveries (${strategy})`, async () => {
      const name = `rebalance-${strategy}-${process.pid}`;
      await kafka.createTopic(name, { partitions: PARTITIONS });
      await using reader = await TopicReader.open(kafka.brokers, name, PARTITIONS);
      const positions = (): Promise<readonly number[]> => committedPositions(kafka.brokers, name, from, PARTITIONS);
      const finished = async (): Promise<boolean> =>
        (await positions()).every((position) => position === PER_PARTITION);

      const first = join(name, strategy);
      const failed = first.control.streamCompletion.then(() => {
        throw new Error("The first member ended by itself.");
      });
      await Promise.race([eventually("the first copies", () => first.acknowledged > 0, STEP_MS), failed]);
      let visits = 0;
      while (!(await finished())) {
        const second = join(name, strategy);
        const enough = async (): Promise<boolean> => second.acknowledged >= VISIT || (await finished());
        await Promise.race([
          eventually("the second copies its share", enough, STEP_MS),
          failed,
          second.control.streamCompletion,
        ]);
        await second.control.drainAndShutdown();
        if (second.acknowledged > 0) visits += 1;
      }
      await first.control.drainAndShutdown().catch(() => undefined);
      await failed.catch(() => undefined);

      const check = new SequenceCheck(PARTITIONS);
      await reader.readToEnd((partition, _, value) => check.addAny(partition, value));
      process.stderr.write(
        `${strategy}: ${visits} visits; delivered ${TOTAL} of ${TOTAL}, duplicated ${check.duplicates}\n`,
      );
      expect(visits).to.be.at.least(2);
      expect(check).to.deep.include({ violations: [], next: check.next.map(() => PER_PARTITION) });
      expect(await positions()).to.deep.equal(check.next);
    });
  }
});
