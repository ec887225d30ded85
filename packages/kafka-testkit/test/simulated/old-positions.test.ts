import { committableSource, committerSink, DrainingControl, sourceWithOffsetContext, string } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import { virtualClock, type VirtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { passing, passUntil } from "./support/virtual-time.js";

const RECORDS = 20;
const OLD = [
  { topic: "t", partition: 0, offset: 3 },
  { topic: "t", partition: 1, offset: 5 },
];

describe("a group whose broker answers positions of long before", () => {
  let clock: VirtualClock;
  let kafka: SimulatedKafka;
  let sent: number;
  let processed: string[];
  let warned: string[];

  beforeEach(() => {
    clock = virtualClock();
    kafka = new SimulatedKafka({ seed: 7, clock });
    kafka.createTopic("t", 2);
    sent = 0;
    processed = [];
    warned = [];
  });

  const send = (count: number): void => {
    for (let each = 0; each < count; each++, sent++) {
      for (const partition of [0, 1]) kafka.append("t", partition, { value: `${partition}:${sent}` });
    }
  };
  const isCommitted = (): boolean => {
    const positions = kafka.committed("g");
    return positions.length === 2 && positions.every(({ offset }) => offset === sent);
  };
  const settings = (more: object) => ({
    kafka: {
      ...{ brokers: "simulated", groupId: "g", clientId: "one", driver: kafka.driver },
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: (message: string): void => void warned.push(message),
        error: () => undefined,
      },
    },
    topics: ["t"],
    value: string(),
    ...more,
  });
  const surfaces = {
    explicit: (more: object) =>
      committableSource(settings(more))
        .map(({ record, offset }) => {
          processed.push(record.value);
          return offset;
        })
        .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
        .run({ clock }),
    followed: (more: object) =>
      sourceWithOffsetContext(settings(more))
        .map(({ value }) => void processed.push(value))
        .toMat(committerSink({ maxIntervalMs: 50 }), DrainingControl.from)
        .run({ clock }),
  };
  /** The broker is back, the member has to join again, and more records have come. */
  const comeBack = (oldMs: number): void => {
    kafka.tellPositions("g", OLD, oldMs);
    kafka.expire("one");
    send(RECORDS);
  };
  /** What was committed long ago and is processed again; what was not yet committed when the member was gone may be. */
  const repeated = (): readonly string[] =>
    processed.filter((each, index) => Number(each.slice(2)) < RECORDS && processed.indexOf(each) !== index);

  for (const [name, run] of Object.entries(surfaces)) {
    // The second learns only by its next heartbeat that it has to join again.
    for (const [groupProtocol, oldMs] of [
      ["classic", 2000],
      ["consumer", 8000],
    ] as const) {
      it(`is asked again until it answers what the consumer had committed (${name}, ${groupProtocol})`, async () => {
        const control = run({ groupProtocol });
        send(RECORDS);
        await passUntil(clock, isCommitted, "the first records");
        comeBack(oldMs);
        await passUntil(clock, isCommitted, "the records since");
        expect(repeated()).to.deep.equal([]);
        expect(new Set(processed)).to.have.property("size", 4 * RECORDS);
        expect(warned.filter((each) => each.includes("further back"))).to.deep.equal([]);
        await passing(clock, control.drainAndShutdown(), "the drain");
      });
    }

    it(`is believed after a while, with a warning, since it may have been set back (${name})`, async () => {
      const control = run({});
      send(RECORDS);
      await passUntil(clock, isCommitted, "the first records");
      comeBack(60_000);
      await passUntil(clock, () => repeated().length > 0, "records that are read again", 30_000);
      expect(repeated()[0]).to.match(/^(0:3|1:5)$/);
      expect(warned.filter((each) => each.includes("further back"))).to.have.lengthOf(1);
      await passUntil(clock, isCommitted, "the records since");
      await passing(clock, control.drainAndShutdown(), "the drain");
    });
  }

  it("does not hold a consumer that closes meanwhile", async () => {
    const control = surfaces.followed({});
    send(RECORDS);
    await passUntil(clock, isCommitted, "the first records");
    comeBack(60_000);
    await clock.advance(1000);
    await passing(clock, control.drainAndShutdown(), "the drain", 4000);
  });
});
