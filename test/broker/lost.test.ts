import { type ConsumerClient, rdkafkaDriver } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";

const STEP_MS = 20_000;

interface Member {
  readonly client: ConsumerClient;
  readonly told: string[];
}

describe("a consumer of the driver that polls too late, on a real broker", function () {
  this.timeout(90_000);
  let kafka: LocalKafka;
  const topic = `lost-${process.pid}`;
  const members: Member[] = [];

  before(async function () {
    kafka = await brokerOrSkip(this);
    await kafka.createTopic(topic, { partitions: 1 });
  });
  afterEach(async () => {
    await Promise.all(members.splice(0).map(({ client }) => client.close().catch(() => undefined)));
  });

  async function join(properties = {}): Promise<Member> {
    const told: string[] = [];
    const client = rdkafkaDriver.consumer(
      { "bootstrap.servers": kafka.brokers, "group.id": topic, log_level: 0, ...properties },
      {
        onAssign: () => void told.push("assigned"),
        onRevoke: () => void told.push("revoked"),
        onLost: () => void told.push("lost"),
        onError: () => undefined,
      },
    );
    members.push({ client, told });
    await client.connect();
    client.subscribe({ kind: "topics", topics: [topic] });
    return { client, told };
  }

  async function pollUntil({ client }: Member, holds: () => boolean): Promise<void> {
    for (const deadline = Date.now() + STEP_MS; !holds() && Date.now() < deadline; ) {
      await client.poll({ maxRecords: 1, waitMs: 50 }).catch(() => undefined);
    }
  }

  it("is notified that its partitions are lost, not that they are revoked", async () => {
    const late = await join({ "session.timeout.ms": 1000, "heartbeat.interval.ms": 100, "max.poll.interval.ms": 1000 });
    await pollUntil(late, () => late.told.length > 0);
    const [next, since] = [await join(), Date.now()];
    // The client looks twice a second whether it was polled; a second above the limit nothing is left to doubt.
    await pollUntil(next, () => next.told.length > 0 && Date.now() > since + 2500);
    expect(next.told, "of the member that took over").to.deep.equal(["assigned"]);
    await pollUntil(late, () => late.told.length > 1);
    expect(late.told.slice(0, 2)).to.deep.equal(["assigned", "lost"]);
  });
});
