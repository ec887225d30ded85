import type { DrainingControl } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { startCopy } from "./support/copy-job.js";
import { SequenceCheck, sequencedRecords } from "./support/sequences.js";
import { committedPositions, fill, TopicReader } from "./support/topics.js";

const PARTITIONS = 8;
const PER_PARTITION = 25_000;
const TOTAL = PARTITIONS * PER_PARTITION;
const COPY_MS = 60_000;

describe("copying 200 000 records from topic to topic", function () {
  this.timeout(90_000);
  const from = `copy-from-${process.pid}`;
  let kafka: LocalKafka;
  let running: DrainingControl<void> | undefined;

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(from, { partitions: PARTITIONS });
    await fill(kafka.brokers, sequencedRecords(from, PARTITIONS, PER_PARTITION));
  });

  afterEach(async () => {
    await running?.drainAndShutdown().catch(() => undefined);
    running = undefined;
    await eventually("every client of the stream is closed", () => liveRuns() === 0);
  });

  const committed = (groupId: string): Promise<readonly number[]> =>
    committedPositions(kafka.brokers, groupId, from, PARTITIONS);

  /** Copies until so many records of this run are acknowledged, drains, and answers the first offset of each partition. */
  async function copy(name: string, records: number): Promise<readonly (number | undefined)[]> {
    const first: (number | undefined)[] = Array.from({ length: PARTITIONS });
    let acknowledged = 0;
    running = startCopy({
      brokers: kafka.brokers,
      groupId: name,
      from,
      to: name,
      onDelivered: (partition, offset) => {
        first[partition] ??= offset;
      },
      onAcknowledged: () => {
        acknowledged += 1;
      },
    });
    await Promise.race([
      eventually(`${records} records are copied`, () => acknowledged >= records, COPY_MS),
      running.streamCompletion,
    ]);
    await running.drainAndShutdown();
    return first;
  }

  it("stops halfway with everything delivered committed, and resumes there: nothing lost, nothing twice", async () => {
    const name = `copy-halves-${process.pid}`;
    await kafka.createTopic(name, { partitions: PARTITIONS });
    await using reader = await TopicReader.open(kafka.brokers, name, PARTITIONS);
    const check = new SequenceCheck(PARTITIONS);

    await copy(name, TOTAL / 2);
    const middle = await committed(name);
    expect(middle, "what is committed is what was produced").to.deep.equal(await reader.ends());
    await reader.readToEnd((partition, _, value) => check.add(partition, value));
    const copied = check.next.reduce((sum, next) => sum + next);
    expect(copied)
      .to.be.at.least(TOTAL / 2)
      .and.below(TOTAL);

    const first = await copy(name, TOTAL - copied);
    const left = middle.map((position) => (position < PER_PARTITION ? position : undefined));
    expect(first, "the second run begins at the committed positions").to.deep.equal(left);
    await reader.readToEnd((partition, _, value) => check.add(partition, value));
    expect(check).to.deep.include({ violations: [], duplicates: 0, next: middle.map(() => PER_PARTITION) });
    expect(await committed(name)).to.deep.equal(middle.map(() => PER_PARTITION));
  });

  it("keeps the order of each partition, and has committed the end of each when it is drained", async () => {
    const name = `copy-whole-${process.pid}`;
    await kafka.createTopic(name, { partitions: PARTITIONS });
    await copy(name, TOTAL);
    const check = new SequenceCheck(PARTITIONS);
    await using reader = await TopicReader.open(kafka.brokers, name, PARTITIONS);
    await reader.readToEnd((partition, _, value) => check.add(partition, value));
    expect(check).to.deep.include({ violations: [], duplicates: 0, next: check.next.map(() => PER_PARTITION) });
    expect(await committed(name)).to.deep.equal(check.next.map(() => PER_PARTITION));
  });
});
