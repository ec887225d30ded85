import {
  type CommittableMessage,
  committableSource,
  committerSink,
  type ConsumerRecord,
  type ConsumerSettings,
  type Control,
  DrainingControl,
  plainPartitionedSource,
  plainSource,
  string,
  type TopicPartition,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Keep, Sink } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { type SinkProbe, sinkProbe } from "@millrace/streams-testkit";
import { expect } from "chai";
import { onBroker } from "../validation/broker-cluster.js";
import { eventually } from "../support/owner.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { committedPositions, fill } from "./support/topics.js";

const STEP_MS = 20_000;
const PER_PARTITION = 20;

/** Two old protocols and the new one, in which the broker assigns (KIP-848). */
const PROTOCOLS: Readonly<Record<string, Partial<ConsumerSettings>>> = {
  eager: {
    properties: { "partition.assignment.strategy": "range" },
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 100,
  },
  cooperative: {
    properties: { "partition.assignment.strategy": "cooperative-sticky" },
    sessionTimeoutMs: 6000,
    heartbeatIntervalMs: 100,
  },
  "KIP-848": { groupProtocol: "consumer" },
};
const CALM = ["cooperative", "KIP-848"] as const;

type Row = ConsumerRecord<string, string>;

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

const offsetsOf = (rows: readonly Row[], partition: number): readonly number[] =>
  rows.filter((row) => row.partition === partition).map(({ offset }) => offset);

/** What the handlers of one member were told, as `assign 2`. */
const telling = () => {
  const told: string[] = [];
  const note = (name: string) => (partitions: readonly TopicPartition[]) => {
    told.push(`${name} ${partitions.length}`);
  };
  return { told, handlers: { onAssign: note("assign"), onRevoke: note("revoke"), onLost: note("lost") } };
};

describe("members of a group, on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka | undefined;
  let topic: string;
  let count = 0;
  const running: { shutdown(): Promise<unknown> }[] = [];
  const probes: SinkProbe<Row>[] = [];

  before(async function () {
    kafka = await ownBrokersOrSkip(this, {
      // By default the broker has members of new groups beat every five seconds, and each step of a rebalance waits for it.
      properties: {
        "group.consumer.min.heartbeat.interval.ms": "100",
        "group.consumer.heartbeat.interval.ms": "100",
        "group.consumer.min.session.timeout.ms": "6000",
        "group.consumer.session.timeout.ms": "6000",
      },
    });
  });
  after(async function () {
    this.timeout(60_000);
    await kafka?.stop();
  });
  beforeEach(() => {
    topic = `groups-${count++}`;
  });
  afterEach(async () => {
    for (const probe of probes.splice(0)) probe.cancel();
    await Promise.all(running.splice(0).map((control) => control.shutdown().catch(() => undefined)));
    await eventually("every client is closed", () => liveRuns() === 0);
  });

  const brokers = (): string => (kafka as LocalKafka).brokers;

  /** Numbers from 0 on in each partition. */
  async function filled(name: string, partitions: number, perPartition = PER_PARTITION): Promise<void> {
    await kafka?.createTopic(name, { partitions });
    await write(name, partitions, perPartition);
  }
  const write = (name: string, partitions: number, perPartition: number): Promise<void> =>
    fill(
      brokers(),
      range(0, partitions).flatMap((partition) =>
        range(0, perPartition).map((number) => ({
          topic: name,
          partition,
          key: null,
          value: Buffer.from(String(number)),
        })),
      ),
    );

  const settings = (protocol: string, groupId = topic) => ({
    kafka: { brokers: brokers(), groupId },
    topics: [topic],
    value: string(),
    autoOffsetReset: "earliest" as const,
    // So that one chunk leaves, and the others wait in the consumer.
    maxPollRecords: 5,
    ...PROTOCOLS[protocol],
  });

  const idle = (protocol: string, more: Partial<ConsumerSettings> = {}): Control => {
    const control = plainSource({ ...settings(protocol), ...more })
      .toMat(Sink.ignore, Keep.left)
      .run();
    running.push(control);
    return control;
  };

  const probed = (protocol: string): readonly [Control, SinkProbe<Row>] => {
    const [control, probe] = plainSource(settings(protocol)).toMat(sinkProbe<Row>(), Keep.both).run();
    running.push(control);
    probes.push(probe);
    return [control, probe];
  };

  /** The streams of partitions, each with its probe, in the order in which they came. */
  const partitioned = (protocol: string) => {
    const streams: { readonly partition: number; readonly probe: SinkProbe<Row> }[] = [];
    const control = plainPartitionedSource(settings(protocol))
      .map(({ partition, source }) => {
        const probe = source.runWith(sinkProbe<Row>());
        probes.push(probe);
        streams.push({ partition, probe });
      })
      .toMat(Sink.ignore, Keep.left)
      .run();
    running.push(control);
    return { control, streams };
  };

  const owned = (control: Control): readonly number[] => control.assignment().map(({ partition }) => partition);
  const share = (a: Control, b: Control): Promise<void> =>
    eventually("one partition each", () => owned(a).length === 1 && owned(b).length === 1, STEP_MS);

  /** Asks until the partition's last record has come. */
  async function toEnd(probe: SinkProbe<Row>, partition: number): Promise<void> {
    const last = PER_PARTITION - 1;
    while (!offsetsOf(probe.received, partition).includes(last)) await probe.nextChunk(STEP_MS);
  }

  /** A second member, which gets what the first one does not read. */
  async function another(protocol: string, first: Control): Promise<void> {
    await filled(`${topic}-other`, 1, 0);
    const second = idle(protocol, { topics: [topic, `${topic}-other`] });
    await eventually("the other topic", () => second.assignment().length === 1, STEP_MS);
    expect(second.assignment()).to.deep.equal([{ topic: `${topic}-other`, partition: 0 }]);
    expect(owned(first)).to.deep.equal([0]);
  }

  for (const protocol of Object.keys(PROTOCOLS)) {
    it(`S-31 hears what comes and goes when a second member joins, and when it closes (${protocol})`, async () => {
      await filled(topic, 4, 0);
      const [first, second] = [telling(), telling()];
      const one = idle(protocol, first.handlers);
      await eventually("all four", () => owned(one).length === 4, STEP_MS);
      const two = idle(protocol, second.handlers);
      await eventually("two each", () => owned(one).length === 2 && owned(two).length === 2, STEP_MS);
      expect(second.told).to.deep.equal(["assign 2"]);
      const half = protocol === "eager" ? ["assign 4", "revoke 4", "assign 2"] : ["assign 4", "revoke 2"];
      expect(first.told).to.deep.equal(half);
      await one.shutdown();
      expect(first.told).to.deep.equal([...half, "revoke 2"]);
      await eventually("all four again", () => owned(two).length === 4, STEP_MS);
    });

    it(`R-01 records that wait of a partition that is revoked are left to its next owner (${protocol})`, async () => {
      await filled(topic, 2);
      const [one, first] = probed(protocol);
      const early = await first.nextChunk(STEP_MS);
      await eventually("the rest waits", () => one.metrics().buffered === 2 * PER_PARTITION - early.length, STEP_MS);
      const [two, second] = probed(protocol);
      await share(one, two);
      const [kept = -1, gone = -1] = [...owned(one), ...owned(two)];
      await toEnd(second, gone);
      await toEnd(first, kept);
      expect(offsetsOf(first.received, gone), "given before it was revoked").to.deep.equal(offsetsOf(early, gone));
      expect(second.received.map(({ offset }) => offset)).to.deep.equal(range(0, PER_PARTITION));
      expect(offsetsOf(second.received, gone)).to.have.length(PER_PARTITION);
      // Who gives everything up begins again where the group stands, and nothing was committed.
      const again = protocol === "eager" ? offsetsOf(early, kept) : [];
      expect(offsetsOf(first.received, kept)).to.deep.equal([...again, ...range(0, PER_PARTITION)]);
    });

    it(`R-02 the stream of a partition that is revoked ends without what waits, and its next owner gets all of it (${protocol})`, async () => {
      await filled(topic, 2);
      const one = partitioned(protocol);
      await eventually("both streams", () => one.streams.length === 2, STEP_MS);
      const early = await Promise.all(one.streams.map(({ probe }) => probe.nextChunk(STEP_MS)));
      const two = partitioned(protocol);
      await share(one.control, two.control);
      const [kept = -1, gone = -1] = [...owned(one.control), ...owned(two.control)];
      const old = one.streams.slice(0, 2).find(({ partition }) => partition === gone)?.probe as SinkProbe<Row>;
      await old.expectComplete(STEP_MS);
      expect(old.received).to.deep.equal(early.flat().filter(({ partition }) => partition === gone));
      await eventually("its next stream", () => two.streams.length === 1, STEP_MS);
      const next = two.streams[0]?.probe as SinkProbe<Row>;
      await toEnd(next, gone);
      expect(offsetsOf(next.received, gone)).to.deep.equal(range(0, PER_PARTITION));
      const own = one.streams.filter(({ partition }) => partition === kept);
      expect(own).to.have.length(protocol === "eager" ? 2 : 1);
      const stays = own.at(-1)?.probe as SinkProbe<Row>;
      await toEnd(stays, kept);
      expect(offsetsOf(stays.received, kept)).to.deep.equal(range(0, PER_PARTITION));
    });

    it(`S-50 two members read all of several topics once (${protocol})`, async () => {
      const topics = range(0, 3).map((index) => `${topic}-${index}`);
      await Promise.all(topics.map((name) => filled(name, 2, 0)));
      const seen: string[] = [];
      const members = range(0, 2).map(() => {
        const control = committableSource({ ...settings(protocol), topics })
          .map(({ record, offset }: CommittableMessage<string, string>) => {
            seen.push(`${record.topic} ${record.partition} ${record.value}`);
            return offset;
          })
          .toMat(committerSink(), DrainingControl.from)
          .run();
        running.push({ shutdown: () => control.drainAndShutdown() });
        return control;
      });
      const shares = (): readonly number[] => members.map((each) => each.assignment().length);
      await eventually("three partitions each", () => shares().join() === "3,3", STEP_MS);
      for (const name of topics) await write(name, 2, 50);
      await eventually("all are read", () => seen.length >= 300, STEP_MS);
      await Promise.all(members.map((each) => each.drainAndShutdown()));
      expect(seen).to.have.length(300);
      expect(new Set(seen).size).to.equal(300);
      const positions = await Promise.all(topics.map((name) => committedPositions(brokers(), topic, name, 2)));
      expect(positions.flat()).to.deep.equal(Array(6).fill(50));
    });

    it(`a pattern reads the topics that it matches in JavaScript (${protocol})`, async () => {
      const names = ["orders-eu", "orders-us", "old-orders-eu", "orders.7", "returns"].map(
        (name) => `${topic}-${name}`,
      );
      await Promise.all(names.map((name) => filled(name, 1, 1)));
      // The guide's own, and what is written otherwise for one who matches whole names.
      const sources = [
        "^T-orders-",
        "^T-.*orders",
        "T-orders-eu$",
        "^T-(?:old|returns)",
        "^T-orders\\.\\d$",
        "T-r|T-old",
        "^T-[^o]",
      ];
      const patterns = sources.map((source) => new RegExp(source.replaceAll("T", topic)));
      await Promise.all(
        patterns.map(async (topicPattern, index) => {
          const read = await plainSource({
            ...settings(protocol, `${topic}-${index}`),
            topics: undefined!,
            topicPattern,
            until: "end",
          })
            .map((row) => row.topic)
            .runWith(Sink.toArray());
          expect(read, String(topicPattern)).to.have.members(names.filter((name) => topicPattern.test(name)));
        }),
      );
    });

    it(`a static member that comes back in time has what it had, and the others hear nothing of it (${protocol})`, async () => {
      await filled(topic, 4, 0);
      const told = telling();
      const one = idle(protocol, { ...told.handlers, groupInstanceId: "one" });
      const two = idle(protocol, { groupInstanceId: "two" });
      await eventually("two each", () => owned(one).length === 2 && owned(two).length === 2, STEP_MS);
      const had = [...owned(two)].sort();
      const before = [...told.told];
      await two.shutdown();
      const again = idle(protocol, { groupInstanceId: "two" });
      await eventually("its two", () => owned(again).length === 2, STEP_MS);
      expect([...owned(again)].sort()).to.deep.equal(had);
      expect(told.told).to.deep.equal(before);
    });
  }

  for (const protocol of CALM) {
    it(`R-05 a rebalance that takes nothing leaves what waits as it is (${protocol})`, async () => {
      await filled(topic, 1);
      const [one, first] = probed(protocol);
      const early = await first.nextChunk(STEP_MS);
      await eventually("the rest waits", () => one.metrics().buffered === PER_PARTITION - early.length, STEP_MS);
      await another(protocol, one);
      await toEnd(first, 0);
      expect(first.received.map(({ offset }) => offset)).to.deep.equal(range(0, PER_PARTITION));
    });

    it(`R-06 the same for the streams of partitions (${protocol})`, async () => {
      await filled(topic, 1);
      const one = partitioned(protocol);
      await eventually("its stream", () => one.streams.length === 1, STEP_MS);
      const probe = one.streams[0]?.probe as SinkProbe<Row>;
      await probe.nextChunk(STEP_MS);
      await another(protocol, one.control);
      await toEnd(probe, 0);
      expect(probe.received.map(({ offset }) => offset)).to.deep.equal(range(0, PER_PARTITION));
      expect(one.streams).to.have.length(1);
    });
  }

  for (const [id, partitions] of [
    ["S-51", 1],
    ["S-52", 4],
  ] as const) {
    it(`${id} two groups read all of several topics each (partitions: ${partitions})`, async () => {
      const topics = range(0, 3).map((index) => `${topic}-${index}`);
      await Promise.all(topics.map((name) => filled(name, partitions)));
      const all = topics.length * partitions * PER_PARTITION;
      const read = (groupId: string): Promise<readonly Row[]> =>
        plainSource({ ...settings("eager", groupId), topics })
          .take(all)
          .runWith(Sink.toArray());
      for (const rows of await Promise.all([read(`${topic}-a`), read(`${topic}-b`)])) {
        const places = rows.map((row) => `${row.topic} ${row.partition} ${row.offset}`);
        expect(new Set(places).size).to.equal(all);
      }
    });
  }

  it("a static member whose process was killed comes back by itself, and loses nothing (KIP-848)", async () => {
    await onBroker(kafka as LocalKafka, `${topic}-`, async (lab) => {
      await lab.createTopic("t", 2);
      const killed = await lab.spawn("killed", { "group.protocol": "consumer", "group.instance.id": "one" });
      await lab.until(() => killed.held.length === 2, "both partitions");
      killed.kill();
      await write(`${topic}-t`, 2, PER_PARTITION);
      const again = { ...settings("KIP-848", `${topic}-g`), topics: [`${topic}-t`], groupInstanceId: "one" };
      const rows = await plainSource(again)
        .take(2 * PER_PARTITION)
        .runWith(Sink.toArray());
      expect(rows).to.have.length(2 * PER_PARTITION);
    });
  });

  it("fails when another member takes its name, for its partitions are not its own any more", async () => {
    await filled(topic, 2, 0);
    const settingsOfOne = { ...settings("eager"), groupInstanceId: "one" };
    const [control, done] = plainSource(settingsOfOne).toMat(Sink.ignore, Keep.both).run();
    running.push(control);
    const failed = done.catch((error: unknown) => error);
    await eventually("both partitions", () => owned(control).length === 2, STEP_MS);
    const other = idle("eager", { groupInstanceId: "one" });
    await eventually("both there", () => owned(other).length === 2, STEP_MS);
    const failure = await failed;
    expect(failure).to.include({ code: "POLL_FAILED", clientCode: 82, fatal: true });
    expect(String(failure)).to.contain("give each an id of its own");
  });
});
