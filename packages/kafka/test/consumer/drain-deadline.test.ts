import {
  committableSource,
  committerSink,
  DrainingControl,
  type DrainError,
  KafkaConnectorError,
  plainPartitionedSource,
  produce,
  producerFlow,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { Sink } from "@millrace/streams";
import { liveRuns } from "@millrace/streams/stage";
import { type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import type { FakeConsumer } from "../support/fake-consumer.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0 } from "../support/pipelines.js";
import { until } from "../support/until.js";

const TIMEOUT_MS = 5000;
const never = (): Promise<never> => new Promise(() => undefined);

describe("the deadline of a drain", () => {
  let kafka: FakeKafka;
  let clock: VirtualClock;
  let seen: number;
  let live: number;
  beforeEach(() => {
    live = liveRuns();
    kafka = new FakeKafka();
    // As a client does with commits that are not answered when it closes.
    kafka.onConsumer = (client) => {
      client.onClose = () => {
        for (const commit of client.commits) commit.fail(new KafkaConnectorError("CONSUMER_CLOSED", "closed"));
      };
    };
    clock = virtualClock();
    seen = 0;
  });

  const settings = () => ({ kafka: kafka.settings, topics: ["t"] }) as const;
  const committing = committerSink({ maxIntervalMs: 10 });
  const see = (): void => void (seen += 1);

  const pipelines: Readonly<Record<string, () => DrainingControl<unknown>>> = {
    "an explicit pipeline": () =>
      committableSource(settings())
        .map(({ offset }) => {
          see();
          return offset;
        })
        .toMat(committing, DrainingControl.from)
        .run({ clock }),
    "a pipeline with context": () =>
      sourceWithOffsetContext(settings()).map(see).toMat(committing, DrainingControl.from).run({ clock }),
    "a handler that never ends": () =>
      committableSource(settings())
        .mapAsync(5, async () => {
          see();
          return never();
        })
        .toMat(committing, DrainingControl.from)
        .run({ clock }),
    "one beside a producer, and stages with timers": () =>
      committableSource(settings())
        .mapAsync(5, async ({ record, offset }) => {
          see();
          if (record.offset > 0) await never();
          return produce({ topic: "out", key: "k", value: record.value }, offset);
        })
        .via(producerFlow({ kafka: kafka.settings }))
        .map(({ passThrough }) => passThrough)
        .groupedWithin(10, 60_000)
        .mapConcat((offsets) => offsets)
        .toMat(committing, DrainingControl.from)
        .run({ clock }),
    "one in the stream of a partition": () =>
      plainPartitionedSource(settings())
        .map(({ source }) => {
          source
            .mapAsync(5, async () => {
              see();
              return never();
            })
            .runWith(Sink.ignore, { clock })
            .catch(() => undefined);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run({ clock }),
  };

  /** What a broker that is gone leaves without an answer; a client that is told to hurry goes without it. */
  const brokers: Readonly<Record<string, (client: FakeConsumer) => void>> = {
    answers: () => undefined,
    "answers no commit": (client) => {
      client.onCommit = () => undefined;
    },
    "lets no client close": (client) => {
      let hurry = (): void => undefined;
      const hurried = new Promise<void>((resolve) => (hurry = resolve));
      const close = client.close.bind(client);
      client.close = async (options?: { readonly hurry?: boolean }) => {
        if (options?.hurry) hurry();
        await hurried;
        await close();
      };
    },
  };

  for (const [what, run] of Object.entries(pipelines)) {
    for (const [broker, prepare] of Object.entries(brokers)) {
      it(`is kept, and everything is let go: ${what}, whose broker ${broker}`, async () => {
        const control = run();
        const client = kafka.client;
        await client.assign(p0);
        client.give(records("t", 0, 0, 2));
        await until(() => seen === 2, "records");
        prepare(client);
        let settled: unknown;
        control.drainAndShutdown({ timeoutMs: TIMEOUT_MS }).then(
          (report) => (settled = report),
          (error: unknown) => (settled = error),
        );
        await clock.advance(TIMEOUT_MS);
        await until(() => settled !== undefined, "the report");
        expect((settled as DrainError).report ?? settled).to.have.property("expectedReplays");
        // Where it was in time everything has closed, and otherwise it does now.
        await until(() => liveRuns() <= live, "the end of all runs");
        expect(kafka.consumers.every(({ closed }) => closed)).to.equal(true);
        expect(kafka.producers.every(({ closes }) => closes.length > 0)).to.equal(true);
        expect(clock.pending, "timers").to.equal(0);
        await control.isShutdown.catch(() => undefined);
      });
    }
  }

  it("leaves a second for the last commit, so that what was finished is committed before the report", async () => {
    const control = committableSource(settings())
      .mapAsync(5, async ({ record, offset }) => {
        see();
        if (record.offset > 0) await never();
        return offset;
      })
      .toMat(committerSink({ maxIntervalMs: 3_600_000 }), DrainingControl.from)
      .run({ clock });
    await kafka.client.assign(p0);
    kafka.client.give(records("t", 0, 0, 2));
    await until(() => seen === 2, "records");
    let failure: unknown;
    control.drainAndShutdown({ timeoutMs: TIMEOUT_MS }).catch((error: unknown) => (failure = error));
    await clock.advance(TIMEOUT_MS - 1001);
    expect(kafka.client.of("close")).to.deep.equal([]);
    await clock.advance(1);
    await until(() => failure !== undefined, "the report");
    expect(clock.now()).to.be.below(TIMEOUT_MS);
    expect(failure).to.include({ code: "DRAIN_INCOMPLETE" });
    expect(String(failure)).to.contain("did not finish within 5000 ms");
  });
});
