import {
  committablePartitionedSource,
  committableSource,
  committerSink,
  type CommitResult,
  type ConsumerSettings,
  type Deserializer,
  DrainingControl,
  partitionedSourceWithOffsetContext,
  plainPartitionedSource,
  plainSource,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { FlowWithContext, Keep, Sink, Supervision } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing } from "./support/virtual-time.js";

const POISON = "poison";

/** Text, of which one cannot be decoded: supervision drops it, which ends its claim. */
const value: Deserializer<string> = {
  decode(bytes) {
    const text = String(bytes);
    if (text === POISON) throw new Error(POISON);
    return text;
  },
};
const resuming = { supervision: Supervision.resumingDecider };

type Reading = ConsumerSettings & { readonly value: Deserializer<string> };
type Control = DrainingControl<void>;
type Work = (record: { readonly value: string }) => Promise<void>;

/** Every way to read with nobody who commits: the records are worked on, and the control steers. */
const surfaces: Readonly<Record<string, (reading: Reading, work: Work, clock: VirtualClock) => Control>> = {
  plainSource: (reading, work, clock) =>
    plainSource<string, string>(reading)
      .withAttributes(resuming)
      .mapAsync(2, work)
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  plainPartitionedSource: (reading, work, clock) =>
    plainPartitionedSource<string, string>(reading)
      .mapAsyncUnordered(10, ({ source }) =>
        source.withAttributes(resuming).mapAsync(2, work).runWith(Sink.ignore, { clock }).catch(String),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  committableSource: (reading, work, clock) =>
    committableSource<string, string>(reading)
      .withAttributes(resuming)
      .mapAsync(2, ({ record }) => work(record))
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  committablePartitionedSource: (reading, work, clock) =>
    committablePartitionedSource<string, string>(reading)
      .mapAsyncUnordered(10, ({ source }) =>
        source
          .withAttributes(resuming)
          .mapAsync(2, ({ record }) => work(record))
          .runWith(Sink.ignore, { clock })
          .catch(String),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  "sourceWithOffsetContext, discardContext": (reading, work, clock) =>
    sourceWithOffsetContext<string, string>(reading)
      .withAttributes(resuming)
      .discardContext()
      .mapAsync(2, work)
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  "sourceWithOffsetContext, filtered, with a side branch, discardContext": (reading, work, clock) =>
    sourceWithOffsetContext<string, string>(reading)
      .withAttributes(resuming)
      .filter((record) => record.offset > 2)
      .alsoTo(FlowWithContext.of<{ readonly value: string }>().mapAsync(2, work))
      .discardContext()
      .mapAsync(2, work)
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
  "partitionedSourceWithOffsetContext, discardContext": (reading, work, clock) =>
    partitionedSourceWithOffsetContext<string, string>(reading)
      .mapAsyncUnordered(10, ({ source }) =>
        source
          .withAttributes(resuming)
          .discardContext()
          .mapAsync(2, work)
          .runWith(Sink.ignore, { clock })
          .catch(String),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
};

class World {
  readonly clock: VirtualClock = virtualClock();
  readonly kafka: SimulatedKafka = new SimulatedKafka({ seed: 1, clock: this.clock });
  readonly #surface: string;
  readonly #others: Control[] = [];
  #appended = 0;
  /** The next record that is worked on fails. */
  failing = false;
  worked = 0;

  constructor(surface: string) {
    this.#surface = surface;
    this.kafka.createTopic("t", 2);
    this.append(POISON, "a", "b", "c", "d", "e", "f", POISON);
  }

  append(...values: readonly string[]): void {
    for (const each of values) for (const partition of [0, 1]) this.kafka.append("t", partition, { value: each });
    this.#appended += values.length;
  }

  reading(clientId: string, settings: Partial<ConsumerSettings> = {}): Reading {
    const kafka = { brokers: "x:1", groupId: "g", clientId, driver: this.kafka.driver };
    const properties = { "auto.offset.reset": "earliest", ...settings.properties };
    return { kafka, topics: ["t"], value, revokeTimeoutMs: 500, ...settings, properties };
  }

  run(settings?: Partial<ConsumerSettings>, clientId = "a"): Control {
    const work: Work = async () => {
      await new Promise<void>((resolve) => this.clock.schedule(200, resolve));
      if (this.failing) {
        this.failing = false;
        throw new Error("work");
      }
      this.worked += 1;
    };
    const control = (surfaces[this.#surface] as (typeof surfaces)[string])(
      this.reading(clientId, settings),
      work,
      this.clock,
    );
    control.streamCompletion.catch(() => undefined);
    return control;
  }

  /** Another member of the group joins. */
  join(settings?: Partial<ConsumerSettings>): void {
    this.#others.push(this.run(settings, "b"));
  }

  /** Closes it, and the others. */
  async close(control: Control): Promise<void> {
    const closing = [control, ...this.#others].map((each) =>
      each.drainAndShutdown({ timeoutMs: 1000 }).catch(() => undefined),
    );
    await passing(this.clock, Promise.all(closing), "all to close");
  }

  get committed(): readonly object[] {
    return this.kafka.committed("g");
  }
}

const strategy = (name: string): Partial<ConsumerSettings> => ({
  properties: { "partition.assignment.strategy": name },
});

interface Path {
  readonly settings?: Partial<ConsumerSettings>;
  readonly go?: (world: World, control: Control) => void;
  /** That it was gone. */
  readonly proof?: (control: Control) => unknown;
}

/** Where a consumer commits what is finished, if there is anybody to commit it. */
const paths: Readonly<Record<string, Path>> = {
  "a seek": {
    go: (_, control) => void control.seek([{ topic: "t", partition: 0, offset: 1 }]).catch(() => undefined),
  },
  "a revocation, eager": { settings: strategy("range"), go: (world) => world.join(strategy("range")) },
  "a revocation, cooperative": {
    settings: strategy("cooperative-sticky"),
    go: (world) => world.join(strategy("cooperative-sticky")),
  },
  "a loss": { go: (world) => world.kafka.expire("a") },
  "a new client of the watchdog": {
    settings: { watchdog: { afterMs: 2000 } },
    go(world) {
      world.kafka.hang("t", 0, "renew");
      world.append("x");
    },
    proof: (control) => expect(control.metrics().watchdogRenewals).to.equal(1),
  },
  "a budget of replays": { settings: { maxReplay: { records: 8 } } },
  "the end": { settings: { until: "end" } },
  "a failure": { go: (world) => void (world.failing = true) },
  "a stop": { go: (_, control) => void control.stop() },
};

describe("a consumer without a committer", () => {
  for (const surface of Object.keys(surfaces)) {
    for (const [path, { settings, go, proof }] of Object.entries(paths)) {
      it(`commits nothing at ${path}: ${surface}`, async () => {
        const world = new World(surface);
        const control = world.run(settings);
        await world.clock.advance(1500);
        expect(world.worked).to.be.greaterThan(0);
        go?.(world, control);
        await world.clock.advance(30_000);
        proof?.(control);
        expect(world.committed).to.deep.equal([]);
        await world.close(control);
        expect(world.committed).to.deep.equal([]);
        expect(control.metrics().commits).to.equal(0);
      });
    }
  }

  for (const [path, { settings, go }] of Object.entries(paths)) {
    it(`commits what is committed by hand, and nothing more, at ${path}`, async () => {
      const world = new World("committableSource");
      const results: CommitResult[] = [];
      const control = committableSource<string, string>(world.reading("a", settings))
        .withAttributes(resuming)
        .mapAsync(1, async ({ offset }) => {
          if (world.failing) throw new Error("work");
          if (offset.offset === 3 && offset.epoch === 1) results.push(await offset.commit());
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock: world.clock });
      await world.clock.advance(1500);
      go?.(world, control);
      await world.clock.advance(30_000);
      await world.close(control);
      expect(results.map(({ outcome, position }) => `${outcome} ${position}`)).to.include("committed 4");
      expect(world.committed).to.deep.equal([0, 1].map((partition) => ({ topic: "t", partition, offset: 4 })));
    });
  }

  it("commits the partitions whose streams end in a committer, and no other", async () => {
    const world = new World("none");
    const control = partitionedSourceWithOffsetContext<string, string>(world.reading("a", strategy("range")))
      .mapAsyncUnordered(10, ({ partition, source }) => {
        const stream = source.withAttributes(resuming);
        return partition === 0
          ? stream.toMat(committerSink(), Keep.right).run({ clock: world.clock })
          : stream.discardContext().runWith(Sink.ignore, { clock: world.clock });
      })
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock: world.clock });
    await world.clock.advance(1500);
    const sought = [0, 1].map((partition) => ({ topic: "t", partition, offset: 5 }));
    await passing(world.clock, control.seek(sought), "the seek");
    world.append("x");
    await world.clock.advance(1500);
    await world.close(control);
    expect(world.committed).to.deep.equal([{ topic: "t", partition: 0, offset: 9 }]);
  });
});
