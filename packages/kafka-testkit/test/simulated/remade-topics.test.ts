import {
  committableSource,
  committerSink,
  DrainingControl,
  partitionedSourceWithOffsetContext,
  plainSource,
  sharedConsumer,
  sourceWithOffsetContext,
  string,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Keep, Sink } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing, passUntil } from "./support/virtual-time.js";

type Running = DrainingControl<unknown>;

describe("a topic that is deleted and made again while a group reads it", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let read: string[];
  let warned: string[];
  let gate: Promise<void> | undefined;

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 13, clock });
    kafka.createTopic("t", 1);
    read = [];
    warned = [];
    gate = undefined;
  });

  const append = (name: string, count: number): void =>
    kafka.append("t", 0, ...Array.from({ length: count }, (_, index) => ({ value: `${name}-${index}` })));
  const remake = (count: number): void => {
    kafka.recreateTopic("t", 1);
    append("new", count);
  };
  const kafkaSettings = () => {
    const [none, warn] = [(): void => undefined, (message: string): void => void warned.push(message)];
    const logger = { debug: none, info: none, warn, error: warn };
    return { brokers: "x:1", groupId: "g", driver: kafka.driver, logger };
  };
  const settings = (more: object = {}) => ({
    kafka: kafkaSettings(),
    ...{ topics: ["t"], value: string(), autoOffsetReset: "earliest" as const, ...more },
  });
  const seen = async (value: string): Promise<void> => {
    read.push(value);
    await gate;
  };
  const committer = { maxIntervalMs: 100 };
  const followed = (more: object = {}): Running =>
    sourceWithOffsetContext(settings(more))
      .mapAsync(4, ({ value }) => seen(value))
      .toMat(committerSink(committer), DrainingControl.from)
      .run({ clock });
  const surfaces: Readonly<Record<string, () => Running>> = {
    followed,
    "followed, with offsetResetProtection": () => followed({ offsetResetProtection: {} }),
    "followed, of a group that begins at the end": () => followed({ autoOffsetReset: "latest" }),
    "followed, under the consumer protocol": () => followed({ groupProtocol: "consumer" }),
    explicit: () =>
      committableSource(settings())
        .mapAsync(4, (message) => seen(message.record.value).then(() => message.offset))
        .toMat(committerSink(committer), DrainingControl.from)
        .run({ clock }),
    partitioned: () =>
      partitionedSourceWithOffsetContext(settings())
        .mapAsyncUnordered(8, ({ source }) =>
          source
            .mapAsync(4, ({ value }) => seen(value))
            .toMat(committerSink(committer), Keep.right)
            .run({ clock }),
        )
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    plain: () =>
      plainSource(settings())
        .mapAsync(4, ({ value }) => seen(value))
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
    "of a shared consumer": () =>
      sourceWithOffsetContext({
        consumer: sharedConsumer({ kafka: kafkaSettings(), autoOffsetReset: "earliest" }),
        assignment: [{ topic: "t", partition: 0 }],
        value: string(),
      })
        .mapAsync(4, ({ value }) => seen(value))
        .toMat(committerSink(committer), DrainingControl.from)
        .run({ clock }),
  };

  const fresh = (): readonly string[] => [...new Set(read.filter((value) => value.startsWith("new")))];
  const stored = (): number | undefined => kafka.committed("g")[0]?.offset;
  const until = (count: number, what: () => readonly string[] = () => read): Promise<void> =>
    passUntil(clock, () => what().length >= count, `${count} records`, 60_000);
  const drained = (control: Running): Promise<unknown> => passing(clock, control.drainAndShutdown(), "the drain");
  const failureOf = (control: Running): Promise<unknown> =>
    passing(
      clock,
      control.streamCompletion.then(
        () => undefined,
        (error: unknown) => error,
      ),
      "the failure",
    );
  /** Reads what is old; a group that begins at the end has to be there first. */
  const begun = async (run: () => Running, old: number): Promise<Running> => {
    const control = run();
    await passUntil(clock, () => control.metrics().assignedPartitions === 1, "an assignment");
    await clock.advance(1000);
    append("old", old);
    await until(old);
    await clock.advance(1000);
    return control;
  };

  for (const [surface, run] of Object.entries(surfaces)) {
    for (const [old, now] of [
      [5, 20],
      [10, 10],
      [10, 3],
    ] as const) {
      it(`is read from its beginning, ${old} old records and ${now} new ones (${surface})`, async () => {
        const control = await begun(run, old);
        remake(now);
        await until(now, fresh);
        await clock.advance(2000);
        expect(fresh()).to.have.length(now);
        if (surface !== "plain") expect(stored()).to.equal(now);
        expect(warned.filter((message) => message.includes("deleted and made again"))).to.have.length(1);
        await drained(control);
      });
    }
  }

  for (const surface of ["followed", "explicit", "partitioned"]) {
    it(`is not committed in by what was in flight of the old one (${surface})`, async () => {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => (open = resolve));
      const control = surfaces[surface]!();
      append("old", 3);
      await until(3);
      remake(0);
      await clock.advance(1000);
      open();
      gate = undefined;
      await clock.advance(2000);
      expect(stored() ?? 0).to.equal(0);
      append("new", 5);
      await until(5, fresh);
      await clock.advance(1000);
      expect(stored()).to.equal(5);
      await drained(control);
    });
  }

  it("has its group at its beginning, whatever a late commit has stored in it", async () => {
    const control = await begun(followed, 5);
    kafka.recreateTopic("t", 1);
    expect(stored()).to.equal(undefined);
    await passUntil(clock, () => stored() === 0, "the beginning", 10_000);
    await drained(control);
  });

  it("fails a source whose bound was looked up in the old one", async () => {
    append("old", 600);
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => (open = resolve));
    const control = followed({ until: "end", maxInFlight: 4 });
    await until(4);
    remake(20);
    await clock.advance(1000);
    open();
    expect(await failureOf(control)).to.include({ code: "OFFSET_RESET" });
    expect(stored() ?? 0).to.equal(0);
  });

  it("fails a source whose positions are kept elsewhere", async () => {
    const control = await begun(
      () =>
        followed({
          getOffsetsOnAssign: (partitions: readonly { topic: string; partition: number }[]) =>
            partitions.map((each) => ({ ...each, offset: 0 })),
        }),
      5,
    );
    remake(20);
    const failure = await failureOf(control);
    expect(failure).to.include({ code: "OFFSET_RESET" });
    expect((failure as Error).message).to.include("kept elsewhere");
  });
});
