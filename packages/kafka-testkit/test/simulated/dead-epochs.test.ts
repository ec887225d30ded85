import {
  byPartition,
  checkGraph,
  type CommittableMessage,
  committableSource,
  committerFlow,
  type CommitResult,
  DrainingControl,
  groupByPartition,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink, type Source } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { passing } from "./support/virtual-time.js";

type Message = CommittableMessage<string, string>;
type Work = (message: Message) => Promise<Message>;

/** Two stages of work, each in the order of a partition and no other: safe, as the graph check says. */
const safe: Readonly<
  Record<string, <Mat>(source: Source<Message, Mat>, one: Work, two: Work) => Source<Message, Mat>>
> = {
  "groupByPartition twice": (source, one, two) =>
    source
      .via(groupByPartition((group) => group.mapAsync(10, one)))
      .via(groupByPartition((group) => group.mapAsync(10, two))),
  "mapAsyncPartitionedUnordered, then groupByPartition": (source, one, two) =>
    source.mapAsyncPartitionedUnordered(10, byPartition, one).via(groupByPartition((group) => group.mapAsync(10, two))),
  "mapAsync, then groupByPartition": (source, one, two) =>
    source.mapAsync(16, one).via(groupByPartition((group) => group.mapAsync(10, two))),
};

/** How long each piece of work takes: short, or beyond a rebalance and the deadline of a revocation. */
const delays = fc.array(fc.oneof(fc.nat(20), fc.integer({ min: 1000, max: 4000 })), { minLength: 12, maxLength: 24 });
const events = fc.array(
  fc.record({ what: fc.constantFrom("expire", "join", "leave", "append"), after: fc.nat(1500) }),
  { minLength: 3, maxLength: 8 },
);

interface Seen {
  descents: number;
  readonly notOwned: CommitResult[];
}

class World {
  readonly clock: VirtualClock = virtualClock();
  readonly kafka: SimulatedKafka = new SimulatedKafka({ seed: 1, clock: this.clock });
  readonly #shape: (typeof safe)[string];
  readonly #delays: readonly number[];
  readonly #handled = new Set<string>();
  #turn = 0;
  #appended = 0;
  readonly seen: Seen = { descents: 0, notOwned: [] };

  constructor(shape: (typeof safe)[string], drawn: readonly number[]) {
    this.#shape = shape;
    this.#delays = drawn;
    this.kafka.createTopic("in", 2);
    for (let each = 0; each < 4; each++) this.append();
  }

  append(): void {
    for (const partition of [0, 1]) this.kafka.append("in", partition, { key: "k", value: `v${this.#appended}` });
    this.#appended += 1;
  }

  get records(): number {
    return this.#appended;
  }

  readonly #work: Work = async (message) => {
    const ms = this.#delays[this.#turn++ % this.#delays.length] as number;
    await new Promise<void>((resolve) => this.clock.schedule(ms, resolve));
    return message;
  };

  member(clientId: string): DrainingControl<void> {
    const last = new Map<string, number>();
    const { driver } = this.kafka;
    const properties = { "partition.assignment.strategy": "range" };
    const source = committableSource({
      kafka: { brokers: "x:1", groupId: "g", clientId, driver, properties },
      ...{ topics: ["in"], value: string(), revokeTimeoutMs: 1000 },
    });
    const graph = this.#shape(source, this.#work, this.#work)
      .map(({ offset }) => {
        const assigned = `${offset.partition}/${offset.epoch}`;
        if ((last.get(assigned) ?? -1) > offset.offset) this.seen.descents += 1;
        last.set(assigned, offset.offset);
        this.#handled.add(`${offset.partition}@${offset.offset}`);
        if (!offset.owner.owns(offset, offset.epoch)) void this.#handIn(offset);
        return offset;
      })
      .via(committerFlow({ maxBatch: 3, maxIntervalMs: 50 }))
      .map(({ results }) => {
        for (const each of results) if (each.outcome === "notOwned") this.seen.notOwned.push(each);
      })
      .toMat(Sink.ignore, DrainingControl.from);
    expect(String(checkGraph(graph))).to.equal("");
    return graph.run({ clock: this.clock });
  }

  /** Commits by hand what is not owned any more. */
  async #handIn(offset: Message["offset"]): Promise<void> {
    const result = await offset.commit();
    expect(result.outcome).to.equal("notOwned");
  }

  get committed(): readonly number[] {
    return this.kafka.committed("g").map(({ offset }) => offset);
  }

  /** Records below a committed position whose work is not done: there must never be one. */
  get lost(): readonly string[] {
    return this.kafka
      .committed("g")
      .flatMap(({ partition, offset }) => Array.from({ length: offset }, (_, each) => `${partition}@${each}`))
      .filter((each) => !this.#handled.has(each));
  }
}

const live = async (shape: string, drawn: readonly number[], happening: readonly { what: string; after: number }[]) => {
  const world = new World(safe[shape] as (typeof safe)[string], drawn);
  const first = world.member("a");
  const failures: unknown[] = [];
  first.streamCompletion.catch((error: unknown) => failures.push(error));
  let second: DrainingControl<void> | undefined;
  for (const { what, after } of happening) {
    await world.clock.advance(after);
    if (what === "expire") world.kafka.expire("a");
    else if (what === "append") world.append();
    else if (what === "join" && !second) {
      second = world.member("b");
      second.streamCompletion.catch((error: unknown) => failures.push(error));
    } else if (what === "leave" && second) {
      await passing(world.clock, second.drainAndShutdown({ timeoutMs: 20_000 }), "the second to leave");
      second = undefined;
    }
    expect(world.lost).to.deep.equal([]);
  }
  await world.clock.advance(40_000);
  expect(failures).to.deep.equal([]);
  for (const control of [first, second]) {
    if (control) await passing(world.clock, control.drainAndShutdown({ timeoutMs: 20_000 }), "the drain");
  }
  expect(world.committed).to.deep.equal([world.records, world.records]);
  expect(world.lost).to.deep.equal([]);
  return world.seen;
};

describe("a safe graph whose partitions are revoked and lost while its stages are at work", () => {
  for (const shape of Object.keys(safe)) {
    it(`goes on, whatever order the dead assignments' offsets come in: ${shape}`, async () => {
      let descents = 0;
      let notOwned = 0;
      await fc.assert(
        fc.asyncProperty(delays, events, async (drawn, happening) => {
          const seen = await live(shape, drawn, happening);
          descents += seen.descents;
          notOwned += seen.notOwned.length;
        }),
        { numRuns: 25, seed: 4 },
      );
      // The schedules were rough enough to prove something.
      expect(descents).to.be.greaterThan(0);
      expect(notOwned).to.be.greaterThan(0);
    }).timeout(60_000);
  }
});
