import {
  atMostOnceSource,
  type CommittableOffset,
  committableSource,
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  KafkaConnectorError,
  plainPartitionedSource,
  plainSource,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import fc from "fast-check";
import { Holding, type HoldingOptions, type Surface, surfaces } from "./support/held-bytes.js";
import { passing, passUntil } from "./support/virtual-time.js";

const KILOBYTE = 2 ** 10;

/** A thousandth of what containers die of: kilobytes for megabytes. */
const floods: Readonly<Record<string, HoldingOptions["sizes"]>> = {
  "8 partitions of records of 5 kB": Array.from({ length: 8 }, () => new Array<number>(20).fill(5 * KILOBYTE)),
  "500 records of 1 kB in a partition": [new Array<number>(500).fill(KILOBYTE)],
  "4 partitions of records of 0.2 kB": Array.from({ length: 4 }, () => new Array<number>(400).fill(200)),
  "records of twice the bound": [new Array<number>(5).fill(128 * KILOBYTE)],
};

interface Flood extends HoldingOptions {
  readonly bound: number;
  readonly stallMs: number;
  /** Partitions that the user pauses, one after the other, while records wait in them. */
  readonly paused: number;
}

const most = (sizes: HoldingOptions["sizes"]): number => Math.max(...sizes.flat());

/** Runs it to the end and tells what it held at most. */
const flooded = async (flood: Flood): Promise<Holding> => {
  const holding = new Holding({ ...flood, settings: { maxBufferedBytes: flood.bound, ...flood.settings } });
  const { clock, control } = holding;
  for (let partition = 0; partition < flood.paused; partition++) {
    await clock.advance(flood.stallMs / flood.paused);
    control.pause([{ topic: "t", partition }]);
  }
  await clock.advance(flood.stallMs);
  expect(holding.told, "what it tells that it holds").to.equal(holding.counted);
  holding.go();
  await clock.advance(flood.stallMs);
  control.resume();
  await passUntil(clock, () => holding.worked >= holding.records, "everything to be worked on", 600_000, 50);
  await passing(clock, control.drain(), "the end");
  expect(holding.offsets).to.deep.equal(flood.sizes.map((each) => each.map((_, offset) => offset)));
  return holding;
};

describe("a source whose records are large", () => {
  for (const surface of surfaces) {
    for (const [name, sizes] of Object.entries(floods)) {
      it(`reads no more than maxBufferedBytes ahead of a stalled and of a slow stream: ${surface}, ${name}`, async () => {
        const bound = 64 * KILOBYTE;
        const settings = { surface, sizes, bound, settings: {}, stallMs: 3000, workMs: 5, paused: 0 };
        const { mostBuffered } = await flooded(settings);
        expect(mostBuffered).to.be.at.most(Math.max(bound, most(sizes)));
      });
    }
  }

  it("holds that bound whatever the sizes, streams and pauses, and delivers everything", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          surface: fc.constantFrom<Surface[]>(...surfaces),
          sizes: fc
            .tuple(fc.integer({ min: 1, max: 6000 }), fc.integer({ min: 1, max: 6 }))
            .chain(([size, partitions]) =>
              fc.array(fc.array(fc.constant(size), { maxLength: 60 }), {
                minLength: partitions,
                maxLength: partitions,
              }),
            )
            .filter((each) => each.flat().length > 0),
          bound: fc.integer({ min: 1024, max: 32 * KILOBYTE }),
          settings: fc.record({
            maxPollRecords: fc.constantFrom(1, 20, 500),
            maxInFlight: fc.constantFrom(1, 10, 10_000),
          }),
          stallMs: fc.constantFrom(100, 2000),
          workMs: fc.constantFrom(0, 5),
          paused: fc.constantFrom(0, 1, 2),
          seed: fc.nat(),
        }),
        async (flood) => {
          const { mostBuffered } = await flooded({ ...flood, paused: Math.min(flood.paused, flood.sizes.length) });
          // What is held back keeps what it has, and the others get a sixteenth all the same.
          const heldBack = 1 + flood.sizes.length / 16;
          expect(mostBuffered).to.be.at.most(flood.bound * heldBack + flood.sizes.length * most(flood.sizes));
        },
      ),
      { numRuns: 60 },
    )).timeout(120_000);

  const apart = surfaces.filter((each) => /artitioned|sharedConsumer/.test(each));
  for (const surface of apart) {
    it(`goes on with other partitions while the stream of one stands still, within the same bound: ${surface}`, async () => {
      const bound = 64 * KILOBYTE;
      const sizes = Array.from({ length: 4 }, () => new Array<number>(300).fill(KILOBYTE));
      const settings = { maxBufferedBytes: bound };
      const holding = new Holding({ surface, sizes, settings, workMs: 1, stuck: 0 });
      holding.go();
      await passUntil(holding.clock, () => holding.worked === 900, "the others", 20_000);
      expect(holding.mostBuffered).to.be.at.most(bound);
      expect(holding.offsets[0]?.length).to.be.within(1, 64);
      const closing = holding.control.drain().catch(() => undefined);
      await passing(holding.clock, closing, "the end", 300_000);
    });
  }

  it("hands the stream a sixteenth of the bound at a time", async () => {
    const bound = 64 * KILOBYTE;
    const sizes = [new Array<number>(200).fill(KILOBYTE)];
    const holding = new Holding({ surface: "plainSource", sizes, settings: { maxBufferedBytes: bound }, workMs: 1 });
    await holding.clock.advance(2000);
    expect(holding.mostInWork).to.be.within(1, bound / 16);
    holding.go();
    await passUntil(holding.clock, () => holding.worked === 200, "the records");
    expect(holding.mostInWork).to.be.within(1, bound / 16);
    await passing(holding.clock, holding.control.drain(), "the end");
  });

  it("shows in metrics and explanations what it holds", async () => {
    const clock = virtualClock();
    const kafka = new SimulatedKafka({ seed: 1, clock });
    kafka.createTopic("t", 1);
    for (let count = 0; count < 8; count++) kafka.append("t", 0, { value: Buffer.alloc(2 ** 20) });
    const control = committableSource({
      ...{ kafka: { brokers: "x:1", groupId: "g", driver: kafka.driver }, topics: ["t"] },
      maxInFlightBytes: 2 ** 21,
    })
      .mapAsync(8, () => new Promise<CommittableOffset>(() => undefined))
      .toMat(committerSink(), DrainingControl.from)
      .run({ clock });
    await clock.advance(2000);
    expect(control.metrics()).to.include({
      inFlight: 2,
      inFlightBytes: 2 ** 21,
      buffered: 6,
      bufferedBytes: 6 * 2 ** 20,
    });
    const explanation = control.explain();
    expect(explanation.partitions[0]).to.include({ inFlightBytes: 2 ** 21, bufferedBytes: 6 * 2 ** 20 });
    expect(explanation.toString()).to.include("2 in flight (2.0 MB)").and.to.include("6 buffered (6.0 MB)");
    await passing(
      clock,
      control.drainAndShutdown({ timeoutMs: 100 }).catch(() => undefined),
      "the end",
    );
  });
});

describe("maxInFlightBytes", () => {
  const surfacesThatCommit = surfaces.filter((each) => !each.startsWith("plain") && !each.startsWith("sources"));

  for (const surface of surfacesThatCommit) {
    it(`holds back what is not finished, and one record always passes: ${surface}`, () =>
      fc.assert(
        fc.asyncProperty(
          fc.record({
            sizes: fc.array(fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 40 }), {
              minLength: 1,
              maxLength: 4,
            }),
            bound: fc.integer({ min: 1024, max: 16 * KILOBYTE }),
            parallelism: fc.constantFrom(1, 3, 100),
            seed: fc.nat(),
          }),
          async ({ sizes, bound, parallelism, seed }) => {
            const settings = { maxInFlightBytes: bound };
            const holding = new Holding({ surface, sizes, settings, parallelism, workMs: 3, seed });
            await holding.clock.advance(1000);
            holding.go();
            await passUntil(holding.clock, () => holding.worked === holding.records, "the records", 600_000, 20);
            expect(holding.mostInWork).to.be.at.most(Math.max(bound, most(sizes)));
            await passing(holding.clock, holding.control.drain(), "the end");
            expect(holding.kafka.committed("g").map(({ offset }) => offset)).to.have.members(
              sizes.map(({ length }) => length),
            );
          },
        ),
        { numRuns: 15 },
      )).timeout(60_000);
  }

  it("has a committer that gathers offsets commit them early, for only then are their records finished", async () => {
    const clock = virtualClock();
    const kafka = new SimulatedKafka({ seed: 1, clock });
    kafka.createTopic("t", 1);
    for (let count = 0; count < 100; count++) kafka.append("t", 0, { value: Buffer.alloc(1000) });
    const control = committableSource({
      ...{ kafka: { brokers: "x:1", groupId: "g", driver: kafka.driver }, topics: ["t"] },
      maxInFlightBytes: 10_000,
    })
      .map(({ offset }) => offset)
      .toMat(committerSink({ maxIntervalMs: 600_000 }), DrainingControl.from)
      .run({ clock });
    await passUntil(clock, () => control.metrics().processed >= 90, "the records to be finished", 30_000);
    await passing(clock, control.drainAndShutdown(), "the end");
  });

  const kafka = { brokers: "x:1", groupId: "g" };
  const refused: Readonly<Record<string, (settings: ConsumerSettings) => unknown>> = {
    plainSource: (settings) => plainSource(settings),
    plainPartitionedSource: (settings) => plainPartitionedSource(settings),
    atMostOnceSource: (settings) => atMostOnceSource(settings),
  };
  for (const [name, make] of Object.entries(refused)) {
    it(`is refused by ${name}, which does not know what is finished`, () => {
      expect(() => make({ kafka, topics: ["t"], maxInFlightBytes: 5000 }))
        .to.throw(KafkaConnectorError, `${name}: maxInFlightBytes (5000)`)
        .with.property("code", "INVALID_SETTINGS");
    });
  }

  it("is refused below 1024, with the value, the range and what was meant, as maxBufferedBytes is", () => {
    for (const name of ["maxInFlightBytes", "maxBufferedBytes"]) {
      expect(() => committableSource({ kafka, topics: ["t"], [name]: 64 }))
        .to.throw(KafkaConnectorError, /64 bytes are too few: give at least 1024; 64 MB are 64 \* 2 \*\* 20/)
        .with.property("message")
        .that.includes(name);
    }
  });
});
