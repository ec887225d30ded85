import {
  type CommittableSettings,
  committableSource,
  committerSink,
  DrainingControl,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { Keep } from "@millrace/streams";
import { assertAllClosed, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0, p1 } from "../support/pipelines.js";
import { until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";

/** Everything that looks at the clock from time to time. */
const SETTINGS = {
  topics: ["t"],
  watchdog: { afterMs: 60_000 },
  connectionChecker: {},
  maxReplay: { records: 1000, ms: 10_000 },
} satisfies Partial<CommittableSettings<string, Buffer | null>>;

describe("a consumer that has ended", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let seen: number;
  let failure: Error | undefined;
  beforeEach(() => {
    kafka = new FakeKafka();
    clock = virtualClock();
    seen = 0;
    failure = undefined;
  });
  afterEach(() => kafka.verify());

  const handle = (): void => {
    seen += 1;
    if (failure) throw failure;
  };
  const surfaces = {
    explicit: () =>
      committableSource({ kafka: kafka.settings, ...SETTINGS })
        .map(({ offset }) => {
          handle();
          return offset;
        })
        .toMat(committerSink({ maxBatch: 2 }), DrainingControl.from)
        .run({ clock }),
    followed: () =>
      sourceWithOffsetContext({ kafka: kafka.settings, ...SETTINGS })
        .map(handle)
        .toMat(committerSink({ maxBatch: 2 }), DrainingControl.from)
        .run({ clock }),
  };
  type Running = ReturnType<(typeof surfaces)["explicit"]>;

  const endings: Record<string, (control: Running) => Promise<unknown>> = {
    "was drained": (control) => control.drainAndShutdown(),
    "was drained while partitions were quiet": async (control) => {
      await clock.advance(9000);
      await control.drainAndShutdown();
    },
    "lost its partitions": async (control) => {
      kafka.client.lose(p0, p1);
      await control.drainAndShutdown();
    },
    "gave its partitions up": async (control) => {
      await kafka.client.revoke(p0, p1);
      await control.drainAndShutdown();
    },
    "failed by its handler": async (control) => {
      failure = new Error("bad");
      kafka.client.give(records("t", 1, 0, 1));
      await control.drainAndShutdown().catch(() => undefined);
    },
  };

  for (const [surface, run] of Object.entries(surfaces)) {
    for (const [how, end] of Object.entries(endings)) {
      it(`leaves no timer where it ${how} (${surface})`, () =>
        assertAllClosed(async () => {
          const control = run();
          control.streamCompletion.catch(() => undefined);
          await kafka.client.assign(p0, p1);
          kafka.client.give(records("t", 0, 0, 3));
          await until(() => seen === 3, "the records");
          await end(control);
          await control.isShutdown;
          expect(clock.pending).to.equal(0);
        }));
    }
  }

  it("leaves no timer where it connects while it closes", () =>
    assertAllClosed(async () => {
      const connected = new Latch();
      kafka.onConsumer = (consumer) => {
        consumer.connecting = connected.opened;
      };
      // A turn lies between the beginning of its end and the closing of its client.
      const control = committableSource({ kafka: kafka.settings, ...SETTINGS, onStop: () => undefined })
        .map(({ offset }) => offset)
        .toMat(committerSink(), Keep.left)
        .run({ clock });
      connected.open();
      await control.shutdown();
      expect(clock.pending).to.equal(0);
    }));
});
