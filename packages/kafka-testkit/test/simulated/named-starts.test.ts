import {
  committablePartitionedManualOffsetSource,
  committerSink,
  type ConsumerSettings,
  DrainingControl,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing } from "./support/virtual-time.js";

const P = { topic: "t", partition: 0 };
const NOT_THERE = "it is read from where autoOffsetReset says";

type Reset = "earliest" | "latest" | "error";

interface Reading {
  readonly kafka: ConsumerSettings["kafka"];
  readonly autoOffsetReset?: Reset;
  readonly offsetResetProtection?: object;
}

type Run = (
  reading: Reading,
  offset: number,
  seen: (offset: number) => void,
  clock: VirtualClock,
) => DrainingControl<unknown>;

const sink = () => committerSink({ maxIntervalMs: 100 });

/** Who names the place where partition 0 begins. */
const NAMES: Readonly<Record<string, Run>> = {
  "an assignment": (reading, offset, seen, clock) =>
    sourceWithOffsetContext({ ...reading, assignment: [{ ...P, offset }] })
      .map((record) => seen(record.offset))
      .toMat(sink(), DrainingControl.from)
      .run({ clock }),
  getOffsetsOnAssign: (reading, offset, seen, clock) =>
    committablePartitionedManualOffsetSource({
      ...reading,
      topics: ["t"],
      getOffsetsOnAssign: () => [{ ...P, offset }],
    })
      .mapAsyncUnordered(1, ({ source }) =>
        source
          .map((message) => {
            seen(message.record.offset);
            return message.offset;
          })
          .runWith(sink(), { clock }),
      )
      .toMat(Sink.ignore, DrainingControl.from)
      .run({ clock }),
};

interface Case {
  readonly at: number;
  readonly reset: Reset;
  /** What is delivered of the records 4 to 9, and of 10 and 11, which come later. */
  readonly read: readonly number[];
  readonly warns: boolean;
}

const ALL = [4, 5, 6, 7, 8, 9, 10, 11];
const CASES: readonly Case[] = [
  { at: 4, reset: "latest", read: ALL, warns: false },
  { at: 7, reset: "error", read: [7, 8, 9, 10, 11], warns: false },
  { at: 10, reset: "error", read: [10, 11], warns: false },
  { at: 11, reset: "earliest", read: ALL, warns: true },
  { at: 50, reset: "earliest", read: ALL, warns: true },
  { at: 50, reset: "latest", read: [10, 11], warns: true },
  { at: 2, reset: "earliest", read: ALL, warns: false },
  { at: 2, reset: "latest", read: [10, 11], warns: false },
];

describe("a partition that is to begin at an offset", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let warnings: string[];
  let read: number[];
  let failure: unknown;

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 3, clock });
    kafka.createTopic("t", 1);
    append(10);
    kafka.deleteRecords("t", 0, 4);
    warnings = [];
    read = [];
    failure = undefined;
  });

  const append = (count: number): void =>
    kafka.append("t", 0, ...Array.from({ length: count }, () => ({ value: "v" })));

  const reading = (): Reading => {
    const quiet = (): void => undefined;
    const logger = { debug: quiet, info: quiet, error: quiet, warn: (text: string) => void warnings.push(text) };
    return { kafka: { brokers: "x:1", groupId: "g", driver: kafka.driver, logger } };
  };
  const watched = (control: DrainingControl<unknown>): DrainingControl<unknown> => {
    control.streamCompletion.catch((error: unknown) => (failure = error));
    return control;
  };
  const start = (run: Run, offset: number, more: Partial<Reading>): DrainingControl<unknown> =>
    watched(run({ ...reading(), ...more }, offset, (each) => void read.push(each), clock));
  const told = (): number => warnings.filter((text) => text.includes(NOT_THERE)).length;

  for (const [who, run] of Object.entries(NAMES)) {
    for (const { at, reset, read: expected, warns } of CASES) {
      it(`by ${who}: ${at} of 4 to 10, with autoOffsetReset ${reset}, reads from ${expected[0]}${warns ? ", and says so" : ""}`, async () => {
        const control = start(run, at, { autoOffsetReset: reset });
        await clock.advance(5000);
        append(2);
        await clock.advance(5000);
        expect(failure).to.equal(undefined);
        expect(read).to.deep.equal(expected);
        expect(told()).to.equal(warns ? 1 : 0);
        await passing(clock, control.drainAndShutdown(), "the drain");
        expect(kafka.committed("g").map(({ offset }) => offset)).to.deep.equal([12]);
      });
    }

    for (const at of [2, 50]) {
      it(`by ${who}: ${at} of 4 to 10, with autoOffsetReset error, fails the stream and reads nothing`, async () => {
        const control = start(run, at, { autoOffsetReset: "error" });
        await clock.advance(5000);
        expect(failure).to.include({ code: "POLL_FAILED", clientCode: -140 });
        await passing(
          clock,
          control.isShutdown.catch(() => undefined),
          "the end",
        );
        expect([read, kafka.committed("g")]).to.deep.equal([[], []]);
      });
    }

    it(`by ${who}, that its log does not reach: fails the stream with OFFSET_RESET under offsetResetProtection`, async () => {
      const control = start(run, 50, { autoOffsetReset: "earliest", offsetResetProtection: {} });
      await clock.advance(120_000);
      expect(failure).to.include({ code: "OFFSET_RESET" });
      await passing(
        clock,
        control.isShutdown.catch(() => undefined),
        "the end",
      );
      expect([read, kafka.committed("g")]).to.deep.equal([[], []]);
    });
  }

  it("reads nothing of a partition that does not exist, and goes on with the others", async () => {
    const assignment = [
      { ...P, offset: 8 },
      { ...P, partition: 7, offset: 3 },
    ];
    const control = watched(
      sourceWithOffsetContext({ ...reading(), assignment })
        .map(({ offset }) => void read.push(offset))
        .toMat(sink(), DrainingControl.from)
        .run({ clock }),
    );
    await clock.advance(5000);
    expect(read).to.deep.equal([8, 9]);
    expect(kafka.committed("g").map(({ offset }) => offset)).to.deep.equal([10]);
    expect(failure).to.equal(undefined);
    expect(await passing(clock, control.drainAndShutdown(), "the drain")).to.include({ expectedReplays: 0 });
  });
});
