import {
  type CommitResult,
  type CommittableMessage,
  committableSource,
  committerFlow,
  committerSink,
  type ConsumerSettings,
  type Control,
  DrainingControl,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink, Source } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { expect } from "chai";
import { eventually } from "../support/owner.js";
import { brokerOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const PER_PARTITION = 100;
const STEP_MS = 20_000;

type Message = CommittableMessage<string, string>;

describe("committing on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let topic: string;
  let count = 0;
  const running: { shutdown(): Promise<unknown> }[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  beforeEach(async () => {
    topic = `committing-${process.pid}-${count++}`;
    await kafka.createTopic(topic, { partitions: 2 });
    const value = Buffer.from("v");
    const records = Array.from({ length: 2 * PER_PARTITION }, (_, index) => ({
      topic,
      partition: index % 2,
      key: null,
      value,
    }));
    await fill(kafka.brokers, records);
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((control) => control.shutdown().catch(() => undefined)));
    await eventually("every client is closed", () => liveRuns() === 0);
  });

  const group = (name = "group"): string => `${topic}-${name}`;
  const committed = (name?: string): Promise<readonly number[]> =>
    committedPositions(kafka.brokers, group(name), topic, 2);

  /** Without a rebalance, from what the group has committed. */
  const assigned = (partitions: readonly number[], name?: string) =>
    committableSource({
      kafka: { brokers: kafka.brokers, groupId: group(name) },
      assignment: partitions.map((partition) => ({ topic, partition })),
      value: string(),
    });

  const member = (settings: Partial<ConsumerSettings> = {}) =>
    committableSource({
      kafka: { brokers: kafka.brokers, groupId: group() },
      topics: [topic],
      value: string(),
      sessionTimeoutMs: 6000,
      heartbeatIntervalMs: 100,
      revokeTimeoutMs: 0,
      properties: { "partition.assignment.strategy": "cooperative-sticky" },
      ...settings,
    });

  /** Messages as they come, until the test ends. */
  const gather = (source: Source<Message, Control>): readonly Message[] => {
    const messages: Message[] = [];
    const [control, done] = source
      .toMat(
        Sink.forEach<Message>((message) => void messages.push(message)),
        Keep.both,
      )
      .run();
    done.catch(() => undefined);
    running.push(control);
    return messages;
  };

  const all = async (name: string, messages: readonly Message[], records: number): Promise<readonly Message[]> => {
    await eventually(`${name} has all`, () => messages.length === records, STEP_MS);
    return messages;
  };

  it("C-41 C-42 commits around a rebalance all resolve, and what they answer is where the next owner begins", async () => {
    const first = await all("the first member", gather(member()), 2 * PER_PARTITION);
    const of = (partition: number): readonly Message[] => first.filter(({ record }) => record.partition === partition);
    const answers: CommitResult[] = [];
    const second = gather(member());
    const rebalanced = (): boolean => second.length > 0 && answers.some(({ outcome }) => outcome === "notOwned");
    for (let index = 0; index < PER_PARTITION - 1 && !rebalanced(); index++) {
      // Both while the group rebalances and after it, until the one partition has been seen to be gone.
      answers.push(...(await Promise.all([0, 1].map((partition) => of(partition)[index]!.offset.commit()))));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await eventually("the second member reads, and the first knows", rebalanced, STEP_MS);
    const { partition, offset } = second[0]!.record;
    const positions = (outcome: string): readonly number[] =>
      answers.filter((each) => each.partition === partition && each.outcome === outcome).map((each) => each.position);
    expect(offset).to.equal(Math.max(0, ...positions("committed")));
    expect(Math.min(...positions("notOwned"))).to.equal(offset + 1);
    expect(new Set(answers.filter((each) => each.partition !== partition).map(({ outcome }) => outcome))).to.deep.equal(
      new Set(["committed"]),
    );
  });

  it("C-46 after a failure of upstream a restart begins exactly at the element that failed", async () => {
    const boom = new Error("boom");
    const [control, results] = assigned([0])
      .map(({ record, offset }) => {
        if (record.offset === 57) throw boom;
        return offset;
      })
      .via(committerFlow({ maxBatch: 10, maxIntervalMs: 60_000 }))
      .mapConcat((batch) => batch.results)
      .toMat(
        Sink.forEach((result) => {
          // Batches that come while a commit is under way go into one.
          expect(result.outcome).to.be.oneOf(["committed", "superseded"]);
          expect(result.committed).to.be.at.least(result.position);
        }),
        Keep.both,
      )
      .run();
    expect(await results.catch((error: unknown) => error)).to.equal(boom);
    await control.isShutdown;
    expect(await committed()).to.deep.equal([57, 0]);
    const [resumed] = await assigned([0]).take(1).runWith(Sink.toArray());
    expect(resumed?.record.offset).to.equal(57);
  });

  it("C-47 C-49 one committer commits for consumers of two groups, and for two of one group with a partition each", async () => {
    const sources = [assigned([0, 1], "other"), assigned([0]), assigned([1])].map(gather);
    const messages = await Promise.all(
      sources.map((each, index) => all(`consumer ${index}`, each, index === 0 ? 2 * PER_PARTITION : PER_PARTITION)),
    );
    const batches = await Source.from(messages.flat().map(({ offset }) => offset))
      .via(committerFlow({ maxBatch: 1000 }))
      .runWith(Sink.toArray());
    expect(batches.flatMap(({ results }) => results.map(({ outcome }) => outcome))).to.deep.equal(
      Array.from({ length: 4 }, () => "committed"),
    );
    expect(await committed("other")).to.deep.equal([PER_PARTITION, PER_PARTITION]);
    expect(await committed()).to.deep.equal([PER_PARTITION, PER_PARTITION]);
  });

  it("C-51 a committer that sends and forgets has committed all at the end: after 20 a restart begins at 20", async () => {
    const control = assigned([0])
      .take(20)
      .map(({ offset }) => offset)
      .toMat(committerSink({ delivery: "sendAndForget", maxBatch: 10 }), DrainingControl.from)
      .run();
    await control.streamCompletion;
    await control.isShutdown;
    expect(control.metrics()).to.include({ failedCommits: 0 });
    const [resumed] = await assigned([0]).take(1).runWith(Sink.toArray());
    expect(resumed?.record.offset).to.equal(20);
  });
});
