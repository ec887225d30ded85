import {
  committableSource,
  committerSink,
  DrainingControl,
  plainPartitionedSource,
  plainSource,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing } from "./support/virtual-time.js";

type Place = { readonly partition: number; readonly offset: number };

/** Two members at most, whose handlers take their time. */
class World {
  readonly clock: VirtualClock = virtualClock();
  readonly kafka: SimulatedKafka = new SimulatedKafka({ seed: 7, clock: this.clock });
  /** Whose handler has ended, and what was delivered, in order. */
  readonly steps: string[] = [];
  failure: unknown;

  constructor() {
    this.kafka.createTopic("t", 2);
    this.append(3);
  }

  append(count: number): void {
    for (const partition of [0, 1]) {
      this.kafka.append("t", partition, ...Array.from({ length: count }, () => ({ key: "k", value: "v" })));
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.schedule(ms, resolve));
  }

  settings(clientId: string, onAssignMs: number, settings: object = {}) {
    const quiet = (): void => undefined;
    return {
      kafka: {
        ...{ brokers: "x:1", groupId: "g", clientId, driver: this.kafka.driver },
        properties: { "partition.assignment.strategy": "cooperative-sticky" },
        logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      },
      ...{ topics: ["t"], value: string(), autoOffsetReset: "earliest" as const },
      onAssign: async (partitions: readonly { readonly partition: number }[]) => {
        await this.sleep(onAssignMs);
        for (const { partition } of partitions) this.steps.push(`assigned ${partition}`);
      },
      ...settings,
    };
  }

  seen({ partition, offset }: Place): void {
    this.steps.push(`${partition}@${offset}`);
  }

  /** Records that came before the handler of their partition had ended. */
  get early(): readonly string[] {
    return this.steps.filter((step, at) => {
      const [partition, offset] = step.split("@");
      return offset !== undefined && !this.steps.slice(0, at).includes(`assigned ${partition}`);
    });
  }

  get delivered(): readonly string[] {
    return this.steps.filter((step) => step.includes("@")).toSorted();
  }
}

type Settings = ReturnType<World["settings"]>;
const sink = () => committerSink({ maxIntervalMs: 50 });

const SOURCES: Readonly<Record<string, (world: World, settings: Settings) => DrainingControl<unknown>>> = {
  plainSource: (world, settings) =>
    plainSource(settings)
      .map((record) => world.seen(record))
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock: world.clock }),
  plainPartitionedSource: (world, settings) =>
    plainPartitionedSource(settings)
      .mapAsyncUnordered(2, ({ source }) =>
        source.map((record) => world.seen(record)).runWith(Sink.ignore, { clock: world.clock }),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock: world.clock }),
  committableSource: (world, settings) =>
    committableSource(settings)
      .map(({ record, offset }) => {
        world.seen(record);
        return offset;
      })
      .toMat(sink(), DrainingControl.from)
      .run({ clock: world.clock }),
  sourceWithOffsetContext: (world, settings) =>
    sourceWithOffsetContext(settings)
      .map((record) => world.seen(record))
      .toMat(sink(), DrainingControl.from)
      .run({ clock: world.clock }),
};

describe("a handler of an assignment that takes its time", () => {
  for (const [name, start] of Object.entries(SOURCES)) {
    const run = (world: World, settings: Settings): DrainingControl<unknown> => {
      const control = start(world, settings);
      control.streamCompletion.catch((error: unknown) => (world.failure ??= error));
      return control;
    };

    it(`is waited for before anything of its partitions is delivered, and then all of it is (${name})`, async () => {
      const world = new World();
      const control = run(world, world.settings("a", 3000));
      await world.clock.advance(2900);
      expect(world.steps).to.deep.equal([]);
      await world.clock.advance(5000);
      expect(world.early).to.deep.equal([]);
      expect(world.delivered).to.deep.equal(["0@0", "0@1", "0@2", "1@0", "1@1", "1@2"]);
      await passing(world.clock, control.drainAndShutdown(), "the drain");
    });

    it(`is waited for where a partition comes later, and what was there before goes on where it was (${name})`, async () => {
      const world = new World();
      const slow = run(world, world.settings("a", 3000));
      await world.clock.advance(8000);
      const other = run(world, world.settings("b", 0));
      await world.clock.advance(8000);
      const [kept] = slow.assignment();
      const partition = kept?.partition ?? -1;
      expect(slow.assignment()).to.have.length(1);
      await passing(world.clock, other.drainAndShutdown(), "the other's drain");
      world.steps.splice(0, world.steps.length, `assigned ${partition}`);
      world.append(2);
      await world.clock.advance(10_000);
      expect(world.early).to.deep.equal([]);
      expect(world.steps).to.include(`assigned ${1 - partition}`);
      // Of the other one the last two are new; without a committer it begins at its beginning.
      const ofKept = world.delivered.filter((step) => step.startsWith(`${partition}@`));
      expect(ofKept).to.deep.equal([`${partition}@3`, `${partition}@4`]);
      expect(world.delivered).to.include.members([`${1 - partition}@3`, `${1 - partition}@4`]);
      await passing(world.clock, slow.drainAndShutdown(), "the drain");
    });

    it(`that fails in the end fails the stream before anything is delivered (${name})`, async () => {
      const world = new World();
      const failure = new Error("handler");
      const onAssign = async (): Promise<void> => {
        await world.sleep(3000);
        throw failure;
      };
      const control = run(world, world.settings("a", 0, { onAssign }));
      await world.clock.advance(20_000);
      expect(world.failure).to.equal(failure);
      expect(world.steps).to.deep.equal([]);
      await passing(
        world.clock,
        control.isShutdown.catch(() => undefined),
        "the end",
      );
    });

    it(`is waited for no longer than handlerTimeoutMs (${name})`, async () => {
      const world = new World();
      const control = run(world, world.settings("a", 60_000, { handlerTimeoutMs: 4000 }));
      await world.clock.advance(3900);
      expect(world.steps).to.deep.equal([]);
      await world.clock.advance(5000);
      expect(world.delivered).to.have.length(6);
      await passing(world.clock, control.drainAndShutdown(), "the drain");
    });
  }
});
