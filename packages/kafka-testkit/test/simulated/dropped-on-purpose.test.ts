import {
  type CommittableMessage,
  committableSource,
  CommittableOffsetBatch,
  type Committable,
  committerSink,
  DrainingControl,
  produce,
  producerFlow,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { type Source, Supervision } from "@millrace/streams";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

type Message = CommittableMessage<string, string>;
type Pipeline = (source: Source<Message, never>, world: World) => Source<Committable, never>;

interface Options {
  readonly seed?: number;
  readonly maxReplay?: { readonly records: number };
}

/** A consumer on the explicit surface: of each partition's records those with `no` for a value are of no interest. */
class World {
  readonly clock: VirtualClock = virtualClock();
  readonly cluster: SimulatedKafka;
  readonly control: DrainingControl<void>;
  readonly done = new Set<string>();

  constructor(pipeline: Pipeline, { seed = 1, ...reading }: Options = {}) {
    const { clock } = this;
    this.cluster = new SimulatedKafka({ seed, clock });
    this.cluster.createTopic("in", 2);
    this.cluster.createTopic("out", 1);
    this.control = this.start(pipeline, reading);
    this.control.streamCompletion.catch(() => undefined);
  }

  get kafka() {
    return { brokers: "x:1", groupId: "g", driver: this.cluster.driver, logger: SILENT };
  }

  start(pipeline: Pipeline, reading: object = {}): DrainingControl<void> {
    const source = committableSource({ kafka: this.kafka, topics: ["in"], value: string(), ...reading });
    const offsets = pipeline(source as Source<Message, never>, this);
    return offsets.toMat(committerSink({ maxIntervalMs: 1000 }), DrainingControl.from).run({ clock: this.clock });
  }

  append(...values: readonly string[]): void {
    for (const partition of [0, 1]) {
      this.cluster.append("in", partition, ...values.map((value) => ({ key: "k", value })));
    }
  }

  async work(message: Message, forMs = 20): Promise<Message> {
    await new Promise<void>((resolve) => void this.clock.schedule(forMs, resolve));
    this.done.add(`${message.record.partition}/${message.record.offset}`);
    return message;
  }

  get committed(): readonly number[] {
    return this.cluster.committed("g").map(({ offset }) => offset);
  }

  /** How a seek to the beginning ended, and when. */
  async seek(): Promise<string> {
    const before = this.clock.now();
    const end = { how: "waits" };
    const ended = (how: string): void =>
      void (end.how = `${how} within ${this.clock.now() - before < 200 ? "200 ms" : "5 s"}`);
    this.control.seek([0, 1].map((partition) => ({ topic: "in", partition, offset: 0 }))).then(
      () => ended("sought"),
      (error: unknown) => ended((error as { readonly code: string }).code),
    );
    await this.clock.advance(5500);
    return end.how;
  }
}

const isWanted = ({ record }: { readonly record: { readonly value: string } }): boolean => record.value === "yes";
const offsetOf = ({ offset }: Message): Committable => offset;

/** What drops records for good, and holds none that it cannot tell of. */
const dropping: Readonly<Record<string, Pipeline>> = {
  "a filter": (source) => source.filter(isWanted).map(offsetOf),
  "a filter that drops everything": (source) => source.filter(() => false).map(offsetOf),
  "a filter behind and before asynchronous work": (source, world) =>
    source
      .mapAsync(3, (message) => world.work(message))
      .filter(isWanted)
      .mapAsync(2, (message) => world.work(message))
      .map(offsetOf),
  "a filter behind work by key": (source, world) =>
    source
      .mapAsyncPartitioned(
        4,
        ({ record }) => record.key,
        (message) => world.work(message),
      )
      .filterNot((message) => !isWanted(message))
      .map(offsetOf),
  "a filter before a producer": (source, world) =>
    source
      .filter(isWanted)
      .map((message) => produce({ topic: "out", value: "v" }, message.offset))
      .via(producerFlow({ kafka: world.kafka, value: string() }))
      .collect(({ passThrough }) => passThrough),
  "a decider that goes on": (source) =>
    source
      .mapAsync(2, (message) => (isWanted(message) ? Promise.resolve(message) : Promise.reject(new Error("unwanted"))))
      .map(offsetOf)
      .withAttributes({ supervision: Supervision.resumingDecider }),
};

/** What keeps three records of four until the fourth comes, as far as the types tell: in any of these ways. */
const keeping: Readonly<Record<string, Pipeline>> = {
  grouped: (source) =>
    source
      .grouped(8)
      .map((all) => all.reduce((batch, { offset }) => batch.updated(offset), CommittableOffsetBatch.empty)),
  "a closure in mapConcat": (source) => {
    const kept: Message[] = [];
    return source.mapConcat((message) => (kept.push(message) % 8 === 0 ? kept.splice(0).map(offsetOf) : []));
  },
  "a closure in collect": (source) => {
    let kept = CommittableOffsetBatch.empty;
    return source.collect(({ offset }) => {
      kept = kept.updated(offset);
      if (kept.size < 8) return undefined;
      const all = kept;
      kept = CommittableOffsetBatch.empty;
      return all;
    });
  },
  "a closure in mapAsync, which answers nothing, before a filter": (source, world) => {
    let kept = CommittableOffsetBatch.empty;
    return source
      .mapAsync(1, async (message) => {
        await world.work(message);
        kept = kept.updated(message.offset);
        if (kept.size < 8) return undefined;
        const all = kept;
        kept = CommittableOffsetBatch.empty;
        return all;
      })
      .filter((batch): batch is CommittableOffsetBatch => batch !== undefined);
  },
  "a closure that answers an empty batch": (source) => {
    let kept = CommittableOffsetBatch.empty;
    return source.map(({ offset }) => {
      kept = kept.updated(offset);
      if (kept.size < 8) return CommittableOffsetBatch.empty;
      const all = kept;
      kept = CommittableOffsetBatch.empty;
      return all;
    });
  },
  statefulMap: (source) =>
    source.statefulMap(
      () => CommittableOffsetBatch.empty as Committable,
      (before, { offset }) => [offset, before],
    ),
};

describe("a record that is dropped on purpose, on the explicit surface", () => {
  for (const [what, pipeline] of Object.entries(dropping)) {
    it(`is finished once nothing is on the way, behind ${what}`, async () => {
      const world = new World(pipeline);
      await world.clock.advance(500);
      world.append("yes", "no", "yes", "no", "no");
      await world.clock.advance(400);
      expect(await world.seek()).to.equal("sought within 200 ms");
      world.append("no");
      await world.clock.advance(3000);
      // A partition that is quiet does not look as if it were stuck.
      expect(world.committed).to.deep.equal([6, 6]);
      world.append("yes", "no");
      await world.clock.advance(200);
      const drained = world.control.drainAndShutdown();
      await world.clock.advance(5000);
      expect(await drained).to.include({ abandoned: 0, expectedReplays: 0 });
      expect(world.committed).to.deep.equal([8, 8]);
    });

    it(`holds up no rebalance, behind ${what}`, async () => {
      const world = new World(pipeline);
      await world.clock.advance(500);
      world.append("yes", "no", "yes", "no", "no");
      await world.clock.advance(400);
      const other = world.start(pipeline);
      await world.clock.advance(600);
      expect(other.assignment()).to.have.length(1);
      expect(world.control.report().map(({ abandoned }) => abandoned)).to.deep.equal([0, 0]);
      for (const each of [world.control, other]) each.drainAndShutdown().catch(() => undefined);
      await world.clock.advance(5000);
      expect(world.committed).to.deep.equal([5, 5]);
    });
  }

  it("lets a budget of replays be below what is filtered in a row", async () => {
    const world = new World(dropping["a filter"]!, { maxReplay: { records: 3 } });
    world.append(...Array<string>(20).fill("no"), "yes");
    await world.clock.advance(5000);
    expect(world.committed).to.deep.equal([21, 21]);
  });

  for (const [what, pipeline] of Object.entries(keeping)) {
    it(`is not taken for one that is kept by ${what}`, async () => {
      const world = new World(pipeline);
      await world.clock.advance(500);
      world.append("yes", "yes", "yes", "yes");
      await world.clock.advance(3000);
      world.append("yes", "yes", "yes");
      await world.clock.advance(3000);
      expect(await world.seek()).to.equal("SEEK_FAILED within 5 s");
      expect(world.committed.reduce((sum, each) => sum + each, 0)).to.be.below(14);
      world.control.drainAndShutdown().catch(() => undefined);
      await world.clock.advance(40_000);
    });
  }

  it("is never finished before all that was wanted below it, whatever is at work meanwhile (I1)", async () => {
    let finished = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ values: fc.array(fc.constantFrom("yes", "no", "no"), { maxLength: 6 }), waitMs: fc.nat(60) }),
          {
            minLength: 1,
            maxLength: 12,
          },
        ),
        fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
        fc.array(fc.nat(11), { maxLength: 2 }),
        fc.nat(),
        async (appends, [first, second], rebalances, seed) => {
          const pipeline: Pipeline = (source, world) =>
            source
              .mapAsync(first, async (message) => {
                await new Promise<void>((resolve) => void world.clock.schedule(seed % 50, resolve));
                return message;
              })
              .filter(isWanted)
              .mapAsync(second, (message) => world.work(message, 10 + ((message.record.offset * 37) % 90)))
              .map(offsetOf);
          const world = new World(pipeline, { seed });
          const values: string[] = [];
          const check = (): void => {
            for (const { partition, offset } of world.cluster.committed("g")) {
              const early = values.slice(0, offset).findIndex((value, at) => {
                return value === "yes" && !world.done.has(`${partition}/${at}`);
              });
              expect(early, `committed ${partition}/${offset}`).to.equal(-1);
            }
          };
          const others: DrainingControl<void>[] = [];
          await world.clock.advance(400);
          for (const [index, { values: more, waitMs }] of appends.entries()) {
            values.push(...more);
            world.append(...more);
            if (rebalances.includes(index)) others.push(world.start(pipeline));
            for (let ms = 0; ms < waitMs; ms += 7) {
              await world.clock.advance(7);
              check();
            }
          }
          for (const each of [world.control, ...others]) each.drainAndShutdown().catch(() => undefined);
          for (let ms = 0; ms < 3000; ms += 50) {
            await world.clock.advance(50);
            check();
          }
          if (values.at(-1) === "no") finished += 1;
          for (const each of [world.control, ...others]) {
            for (const { expectedReplays } of each.report()) expect(expectedReplays).to.equal(0);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(finished).to.be.above(10);
  }).timeout(60_000);
});
