import {
  committableSource,
  committerSink,
  DrainingControl,
  KafkaConnectorError,
  plainPartitionedSource,
  plainSource,
  producerSink,
  silentLogger,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { Keep, KillSwitches, type Logger, Sink, Source } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { records } from "../support/fake-chunk.js";
import { FakeKafka } from "../support/fake-kafka.js";
import { p0, p1 } from "../support/pipelines.js";
import { until } from "../support/until.js";

interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

describe("the failure of a stream is logged once, at error,", () => {
  const boom = new Error("boom");
  let kafka: FakeKafka;
  let errors: Line[];
  beforeEach(() => {
    kafka = new FakeKafka();
    errors = [];
  });
  afterEach(() => kafka.verify());

  const nothing = (): void => undefined;
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields = {}) => void errors.push({ message, fields }),
  };
  const settings = () => ({ kafka: { ...kafka.settings, logger }, topics: ["t"] });
  const failAt = (offset: number, at: number): void => {
    if (offset === at) throw new Error(boom.message);
  };
  const lines = (): readonly string[] => errors.map(({ message }) => message);

  /** Runs it with six records, and waits for its end. */
  const run = async (control: { readonly isShutdown: Promise<unknown> }): Promise<void> => {
    const ended = control.isShutdown.catch(nothing);
    await kafka.client.assign(p0);
    kafka.client.give(records("t", 0, 0, 6));
    await ended;
  };

  const explicit = () => committableSource(settings());
  const followed = () => sourceWithOffsetContext(settings());
  const sink = committerSink();
  const graphs: Readonly<Record<string, () => { readonly isShutdown: Promise<unknown> }>> = {
    "map at t[0]@3": () =>
      explicit()
        .map(({ record, offset }) => {
          failAt(record.offset, 3);
          return offset;
        })
        .toMat(sink, DrainingControl.from)
        .run(),
    "mapAsync at t[0]@3": () =>
      explicit()
        .mapAsync(2, async ({ record, offset }) => {
          await Promise.resolve();
          failAt(record.offset, 3);
          return offset;
        })
        .toMat(sink, DrainingControl.from)
        .run(),
    "mapConcat at t[0]@3": () =>
      plainSource(settings())
        .mapConcat((record) => {
          failAt(record.offset, 3);
          return [record];
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run(),
    "check (map) at t[0]@3": () =>
      followed()
        .map((record) => failAt(record.offset, 3))
        .withAttributes({ name: "check" })
        .toMat(sink, DrainingControl.from)
        .run(),
    "mapAsyncPartitioned at t[0]@3": () =>
      followed()
        .mapAsyncPartitioned(
          4,
          ({ key }) => String(key),
          async (record) => failAt(record.offset, 3),
        )
        .toMat(sink, DrainingControl.from)
        .run(),
    "map at t[0]@0, t[0]@1, t[0]@2 and 1 more": () =>
      followed()
        .grouped(4)
        .map(() => failAt(0, 0))
        .toMat(sink, DrainingControl.from)
        .run(),
  };
  for (const [place, graph] of Object.entries(graphs)) {
    it(`with its stage and its record: ${place}`, () =>
      assertAllClosed(async () => {
        await run(graph());
        expect(lines()).to.deep.equal([`kafka: the stream failed in ${place}: boom`]);
        const [stage, record] = place.split(" at ");
        expect(errors[0]?.fields).to.include({ groupId: "g", stage, record });
        expect(errors[0]?.fields["error"]).to.be.an("error").with.property("message", "boom");
      }));
  }

  it("where nobody looks at it but who drains, long after", () =>
    assertAllClosed(async () => {
      const control = explicit()
        .map(() => failAt(0, 0))
        .collect((): undefined => undefined)
        .toMat(sink, DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      kafka.client.give(records("t", 0, 0, 1));
      await until(() => errors.length > 0, "the line");
      await control.drainAndShutdown().catch(nothing);
      await control.isShutdown.catch(nothing);
      expect(lines()).to.deep.equal(["kafka: the stream failed in map at t[0]@0: boom"]);
    }));

  it("where the client failed, which the consumer logs", () =>
    assertAllClosed(async () => {
      const control = followed().toMat(sink, DrainingControl.from).run();
      const ended = control.isShutdown.catch(nothing);
      kafka.client.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "no more", { fatal: true }));
      await ended;
      expect(lines()).to.deep.equal(["kafka consumer: failed: no more"]);
    }));

  it("where it was failed from outside", () =>
    assertAllClosed(async () => {
      const [killSwitch, done] = plainSource(settings())
        .viaMat(KillSwitches.single(), Keep.right)
        .toMat(Sink.ignore, Keep.both)
        .run();
      killSwitch.abort(boom);
      await done.catch(nothing);
      expect(lines()).to.deep.equal(["kafka: the stream failed: boom"]);
    }));

  it("of the stream of each partition by itself", () =>
    assertAllClosed(async () => {
      const control = plainPartitionedSource(settings())
        .map(({ partition, source }) => {
          source
            .map((record) => failAt(record.offset, partition))
            .runWith(Sink.ignore)
            .catch(nothing);
        })
        .toMat(Sink.ignore, DrainingControl.from)
        .run();
      await kafka.client.assign(p0, p1);
      kafka.client.give([...records("t", 0, 0, 2), ...records("t", 1, 0, 2)]);
      await until(() => errors.length === 2, "both lines");
      expect(lines()).to.have.members([
        "kafka: the stream failed in map at t[0]@0: boom",
        "kafka: the stream failed in map at t[1]@1: boom",
      ]);
      await control.drainAndShutdown().catch(nothing);
    }));

  it("where there is but a producer", () =>
    assertAllClosed(async () => {
      const done = Source.from([1])
        .map((): { topic: string; value: null } => {
          throw boom;
        })
        .runWith(producerSink({ kafka: { brokers: "fake:9092", driver: kafka, logger } }));
      await done.catch(nothing);
      expect(lines()).to.deep.equal(["kafka: the stream failed in map: boom"]);
    }));
});
