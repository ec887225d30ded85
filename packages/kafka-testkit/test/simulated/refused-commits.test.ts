import { committerSink, DrainingControl, sourceWithOffsetContext, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";

/** A followed consumer whose finished records wait for the schedule's next commit, while somebody else asks for one. */
class World {
  readonly clock: VirtualClock = virtualClock();
  readonly cluster: SimulatedKafka = new SimulatedKafka({ seed: 1, clock: this.clock, heartbeatIntervalMs: 200 });
  readonly logged: string[] = [];
  readonly consumer: DrainingControl<void>;
  failure: unknown;

  constructor() {
    this.cluster.createTopic("in", 2);
    this.cluster.setFaults({ noticeMs: [0, 5] });
    this.consumer = this.start("a");
    this.consumer.streamCompletion.catch((error: unknown) => (this.failure = error));
  }

  start(clientId: string): DrainingControl<void> {
    const tell = (message: string): void => void this.logged.push(message);
    const logger = { debug() {}, info() {}, warn: tell, error: tell };
    const properties = { "group.protocol": "consumer" };
    return sourceWithOffsetContext({
      kafka: { brokers: "x:1", groupId: "g", clientId, driver: this.cluster.driver, logger, properties },
      topics: ["in"],
      value: string(),
    })
      .map(() => undefined)
      .toMat(committerSink({ maxBatch: 1, maxIntervalMs: 2000 }), DrainingControl.from)
      .run({ clock: this.clock });
  }

  append(count: number): void {
    for (const partition of [0, 1]) {
      this.cluster.append(
        "in",
        partition,
        ...Array<{ key: string; value: string }>(count).fill({ key: "k", value: "v" }),
      );
    }
  }

  get committed(): readonly number[] {
    return this.cluster.committed("g").map(({ offset }) => offset);
  }

  /** The schedule's own commit is under way for 2 s, so that its next one waits; what is asked for meanwhile is refused. */
  async refuse(ask: (world: World) => void): Promise<void> {
    this.append(1);
    this.cluster.setFaults({ commitDelayMs: [2000, 2000] });
    await this.clock.advance(300);
    this.append(4);
    await this.clock.advance(100);
    ask(this);
    await this.clock.advance(1400);
    this.cluster.setFaults({ commitRefusalRate: 1 });
    await this.clock.advance(1200);
    this.cluster.setFaults({ commitDelayMs: [0, 5] });
  }
}

describe("a commit that is refused", () => {
  const asks: Readonly<Record<string, { readonly ask: (world: World) => void; readonly tells: RegExp }>> = {
    "a revocation": {
      // What it commits may be refused as well.
      ask: (world) => void world.start("b").streamCompletion.catch(() => undefined),
      tells: /the commit before partitions are given up failed/,
    },
    "a seek": {
      ask: ({ consumer, logged }) =>
        void consumer
          .seek([{ topic: "in", partition: 0, offset: 3 }])
          .catch((error: unknown) => logged.push(`sought: ${String(error)}`)),
      tells: /sought: .*not allowed/,
    },
  };

  for (const [who, { ask, tells }] of Object.entries(asks)) {
    it(`for ${who} is reported, and what it was to commit is committed soon, though nothing ends any more`, async () => {
      const world = new World();
      await world.refuse(ask);
      world.cluster.setFaults({ commitRefusalRate: 0 });
      await world.clock.advance(6000);
      expect(world.logged.join("\n")).to.match(tells);
      expect(world.committed).to.deep.equal([5, 5]);
      expect(world.failure).to.equal(undefined);
    });
  }

  it("after a revocation's was refused fails the stream when it is refused as well", async () => {
    const world = new World();
    await world.refuse(asks["a revocation"]!.ask);
    expect(world.failure).to.equal(undefined);
    await world.clock.advance(5000);
    expect(world.failure).to.have.property("code", "COMMIT_FAILED");
  });
});
