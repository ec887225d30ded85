import { committablePartitionedSource } from "@millrace/kafka";
import { Keep, Sink } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { type SpunTime, withSpunTime } from "../../../../../test/support/spun-time.js";
import { records } from "../../support/fake-chunk.js";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1, source } from "../../support/pipelines.js";

const RECORDS = 100;
/** Records of a millisecond each between two turns of the event loop. */
const MOST = 16;

describe(`a function that takes a millisecond handles at most ${MOST} records in a turn of the event loop`, () => {
  let kafka: FakeKafka;
  let handled: number;
  beforeEach(() => {
    kafka = new FakeKafka();
    handled = 0;
  });
  afterEach(() => kafka.verify());

  const slowIn = (time: SpunTime) => (): void => {
    time.spend(1);
    handled += 1;
  };

  /** Each partition has been given all its records at once. */
  const mostInATurn = async (): Promise<number> => {
    await kafka.client.assign(p0, p1);
    kafka.client.give([...records("t", 0, 0, RECORDS), ...records("t", 1, 0, RECORDS)]);
    let most = 0;
    while (handled < 2 * RECORDS) {
      const before = handled;
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, handled - before);
    }
    return most;
  };

  it("of one source", () =>
    assertAllClosed(() =>
      withSpunTime(async (time) => {
        const [control, done] = source(kafka)
          .toMat(Sink.forEach(slowIn(time)), Keep.both)
          .run();
        expect(await mostInATurn()).to.be.within(1, MOST);
        await Promise.all([control.shutdown(), done]);
      }),
    ));

  it("of the sources of partitions", () =>
    assertAllClosed(() =>
      withSpunTime(async (time) => {
        const [control, done] = committablePartitionedSource({ kafka: kafka.settings, topics: ["t"] })
          .mapAsyncUnordered(2, ({ source: one }) => one.runWith(Sink.forEach(slowIn(time))))
          .toMat(Sink.ignore, Keep.both)
          .run();
        expect(await mostInATurn()).to.be.within(1, MOST);
        await Promise.all([control.shutdown(), done]);
      }),
    ));
});
