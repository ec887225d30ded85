import {
  type CommittableOffset,
  committerSink,
  isProducerFailure,
  KafkaConnectorError,
  type OwnProducerSettings,
  passThrough,
  produce,
  type ProducerEnvelope,
  type ProducerFailure,
  producerFlow,
  producerFlowWithContext,
  type ProducerRecord,
  type ProducerResult,
  producerSink,
  produceMulti,
  string,
} from "@millrace/kafka";
import { FlowWithContext, Keep, Sink, Source, SourceWithContext } from "@millrace/streams";
import {
  assertAllClosed,
  checked,
  settle,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import type { FakeProducer } from "../support/fake-producer.js";
import { FakeOwner } from "../support/fake-owner.js";
import { errorOf, rejectionOf } from "../support/until.js";

type Out = ProducerResult<number> | ProducerFailure<string, string, number>;
type Envelope = ProducerEnvelope<string, string, number>;

interface Bench {
  readonly upstream: SourceProbe<Envelope>;
  readonly downstream: SinkProbe<Out>;
  readonly sender: FakeProducer;
}

const out = (value: string): ProducerRecord<string, string> => ({ topic: "out", value });
const one = (n: number): Envelope => produce(out(`v${n}`), n);
const refused = new KafkaConnectorError("PRODUCE_FAILED", "refused");

/** Pass-throughs in order, those of failures negated. */
const told = (all: readonly Out[]): readonly number[] =>
  all.map((each) => (isProducerFailure(each) ? -each.unfinished : each.passThrough));

describe("producerFlow with failures as elements", () => {
  interface Options {
    readonly settings?: Partial<OwnProducerSettings<string, string>>;
    readonly prepare?: (producer: FakeProducer) => void;
  }
  const onBench = (block: (bench: Bench) => Promise<void>, options: Options = {}): Promise<void> =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        producer.onSent = () => undefined;
        options.prepare?.(producer);
      };
      const checks = checked();
      const [upstream, downstream] = sourceProbe<Envelope>()
        .via(
          producerFlow<string, string, number>({
            kafka: kafka.settings,
            value: string(),
            failures: "element",
            ...options.settings,
          }),
        )
        .toMat(sinkProbe<Out>(), Keep.both)
        .run({ wrap: checks.wrap });
      await block({ upstream, downstream, sender: kafka.sender });
      downstream.cancel();
      checks.verify();
    });

  it("fails the stream by a report that is fatal to the client: what follows could only fail too", () => {
    const fatal = new KafkaConnectorError("PRODUCE_FAILED", "fenced", { fatal: true });
    return onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.sendChunk([one(1), one(2)]);
      await settle();
      sender.fail(0, fatal);
      expect(await downstream.expectError()).to.equal(fatal);
      expect(await upstream.expectCancel()).to.equal(fatal);
      expect(downstream.received).to.deep.equal([]);
    });
  });

  it("fails the stream by a fatal error of the client", () =>
    onBench(async ({ downstream, sender }) => {
      downstream.request();
      const fatal = new KafkaConnectorError("CLIENT_FAILED", "fatal", { fatal: true });
      sender.listener.onError(fatal);
      expect(await downstream.expectError()).to.equal(fatal);
    }));

  it("gives what was acknowledged before a fatal error, and nothing that is acknowledged after it", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.sendChunk([one(1), one(2), one(3)]);
      await settle();
      sender.acknowledge(0);
      await settle();
      // Downstream is busy with the first.
      sender.acknowledge(1);
      const fatal = new KafkaConnectorError("CLIENT_FAILED", "fatal", { fatal: true });
      sender.listener.onError(fatal);
      sender.acknowledge(2);
      expect(told(await downstream.nextChunk())).to.deep.equal([1]);
      expect(told(await downstream.nextChunk())).to.deep.equal([2]);
      expect(await downstream.expectError()).to.equal(fatal);
    }));

  it("fails the stream when it cannot connect", () => {
    const broken = new KafkaConnectorError("CONNECT_FAILED", "no broker");
    return onBench(
      async ({ downstream }) => {
        downstream.request();
        expect(await downstream.expectError()).to.equal(broken);
      },
      { prepare: (producer) => void (producer.connecting = Promise.reject(broken)) },
    );
  });

  it("emits a failure in its place, with its record, and goes on", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      downstream.request();
      upstream.sendChunk([one(1), one(2), one(3)]);
      await settle();
      sender.fail(1, refused);
      sender.acknowledge(2);
      await downstream.expectNothing();
      sender.acknowledge(0);
      const [first, failure, third] = await downstream.nextChunk();
      expect(told([first, failure, third] as Out[])).to.deep.equal([1, -2, 3]);
      expect(failure).to.deep.equal({ error: refused, record: out("v2"), failed: [out("v2")], unfinished: 2 });
      upstream.send(one(4));
      downstream.request();
      await settle();
      sender.acknowledge(3);
      expect(told([await downstream.next()])).to.deep.equal([4]);
      expect(sender.closes).to.deep.equal([]);
    }));

  it("names every record of an envelope that failed, in their order, once all its records are reported", () =>
    onBench(async ({ upstream, downstream, sender }) => {
      const last = new Error("last");
      downstream.request();
      upstream.send(produceMulti([out("a"), out("b"), out("c")], 7));
      await settle();
      sender.fail(2, last);
      sender.fail(0, refused);
      await downstream.expectNothing();
      sender.acknowledge(1);
      expect(await downstream.next()).to.deep.equal({
        error: refused,
        record: out("a"),
        failed: [out("a"), out("c")],
        unfinished: 7,
      });
    }));

  it("sends nothing of an envelope of which one record cannot be encoded, and says so in its place", () =>
    onBench(
      async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.sendChunk([one(1), produceMulti([out("a"), out("bad"), out("c")], 2), one(3)]);
        await settle();
        expect(sender.sent.map(({ record }) => String(record.value))).to.deep.equal(["v1", "v3"]);
        sender.acknowledge(1);
        await downstream.expectNothing();
        sender.acknowledge(0);
        const all = await downstream.nextChunk();
        expect(told(all)).to.deep.equal([1, -2, 3]);
        const failure = all[1] as ProducerFailure<string, string, number>;
        expect(failure.error).to.include({ code: "SERIALIZATION_FAILED" });
        expect(failure.record).to.deep.equal(out("bad"));
        expect(failure.failed).to.deep.equal([out("a"), out("bad"), out("c")]);
      },
      {
        settings: {
          value: {
            encode: (value) => {
              if (value === "bad") throw new Error("bad");
              return Buffer.from(value);
            },
          },
        },
      },
    ));

  it("emits a record that can never be sent as a failure", () =>
    onBench(
      async ({ upstream, downstream, sender }) => {
        downstream.request();
        upstream.sendChunk([one(1), one(2), passThrough(3)]);
        upstream.complete();
        await settle();
        sender.acknowledge(1);
        expect(told(await downstream.rest())).to.deep.equal([-1, 2, 3]);
      },
      {
        prepare: (producer) => {
          producer.refuse = ({ value }) =>
            String(value) === "v1" ? new KafkaConnectorError("INVALID_RECORD", "too large") : undefined;
        },
      },
    ));

  it("holds upstream back when downstream does not take the failures (I11)", () =>
    onBench(
      async ({ upstream, downstream, sender }) => {
        downstream.request();
        sender.refuse = () => refused;
        for (let n = 1; n <= 20; n++) upstream.send(one(n));
        await settle();
        await upstream.expectNoPull();
        expect(downstream.received.length).to.be.below(8);
      },
      { settings: { parallelism: 2 } },
    ));

  it("is no setting of a sink", () => {
    const settings = { kafka: new FakeKafka().settings, failures: "element" };
    expect(errorOf(() => producerSink(settings as never))).to.include({ code: "INVALID_SETTINGS" });
  });
});

describe("producerFlowWithContext with failures as elements", () => {
  it("lets the claim of a failed element go on with the failure, and ends none", () =>
    assertAllClosed(async () => {
      const kafka = new FakeKafka();
      kafka.onProducer = (producer) => {
        producer.onSent = ([first]) =>
          setImmediate(() => {
            const id = first?.id ?? 0;
            producer.fail(id + 1, refused);
            producer.acknowledge(id, id + 2);
          });
      };
      const ended: string[] = [];
      const cells = ["a", "bad", "c"].map((value) => ({
        value: out(value),
        claim: {
          share: () => undefined,
          end: (outcome: string) => void ended.push(`${value} ${outcome}`),
          at: () => undefined,
        },
      }));
      const emitted: unknown[] = [];
      await SourceWithContext.fromSource(Source.from(cells))
        .via(producerFlowWithContext<string, string>({ kafka: kafka.settings, value: string(), failures: "element" }))
        .map((each) => {
          emitted.push(each);
          expect(ended).to.deep.equal([]);
          return each;
        })
        .discardContext()
        .runWith(Sink.ignore);
      expect(emitted).to.deep.equal([
        [{ topic: "out", partition: 0, offset: 0 }],
        { error: refused, record: out("bad"), failed: [out("bad")], unfinished: undefined },
        [{ topic: "out", partition: 0, offset: 2 }],
      ]);
      expect(ended).to.deep.equal(["a discarded", "bad discarded", "c discarded"]);
    }));
});

describe("a failure that nobody has dealt with", () => {
  const failing = (): FakeKafka => {
    const kafka = new FakeKafka();
    kafka.onProducer = (producer) => {
      producer.onSent = (sent) =>
        setImmediate(() => {
          for (const { id, record } of sent) {
            if (String(record.value) === "bad") producer.fail(id, refused);
            else producer.acknowledge(id);
          }
        });
    };
    return kafka;
  };
  const settings = (kafka: FakeKafka) => ({ kafka: kafka.settings, value: string(), failures: "element" }) as const;
  const values = ["a", "bad", "c"];

  /** As one who does not see the types would write it. */
  type Seen = ProducerResult<CommittableOffset>;
  const takesResults: Readonly<Record<string, (source: Source<Seen>) => Source<unknown>>> = {
    map: (source) => source.map((each) => each.passThrough),
    collect: (source) => source.collect((each) => each.passThrough),
    mapConcat: (source) => source.mapConcat((each) => [each.passThrough]),
    mapAsync: (source) => source.mapAsync(1, async (each) => each.passThrough),
    "collect of those that have one": (source) => source.collect((each) => each.passThrough ?? undefined),
    "no operator at all": (source) => source.filter((each) => isProducerFailure(each)),
    batches: (source) => source.grouped(3),
  };
  for (const [how, take] of Object.entries(takesResults)) {
    it(`fails the explicit stream in front of its committer, by ${how}, and its offset is not committed`, () =>
      assertAllClosed(async () => {
        const kafka = failing();
        const owner = new FakeOwner();
        const sent = Source.from(values.map((value, offset) => produce(out(value), owner.offset(offset)))).via(
          producerFlow<string, string, CommittableOffset>(settings(kafka)),
        );
        const error = await rejectionOf(
          (take(sent as Source<Seen>) as Source<CommittableOffset>).runWith(committerSink({ maxBatch: 1 })),
        );
        expect(error).to.include({ code: "UNHANDLED_FAILURE", cause: refused });
        expect((error as Error).message).to.include("isProducerFailure");
        expect(owner.positions.flat().every((position) => position < 2)).to.equal(true);
      }));
  }

  for (const [what, element] of Object.entries({ undefined: undefined, object: { metadata: [] }, string: "7" })) {
    it(`is no worse than what is no offset at all: a committer fails by ${what}`, async () => {
      const error = await rejectionOf(Source.single(element as never).runWith(committerSink()));
      expect(error).to.include({ code: "NOT_COMMITTABLE" });
      expect((error as Error).message).to.include(`not ${what}`);
    });
  }

  const ends: Readonly<Record<string, (sent: SourceWithContext<unknown>) => Promise<unknown>>> = {
    committerSink: (sent) => sent.toMat(committerSink(), Keep.right).run(),
    "committerSink, behind grouped": (sent) => sent.grouped(3).toMat(committerSink(), Keep.right).run(),
    alsoTo: (sent) =>
      sent
        .alsoTo(FlowWithContext.of<unknown>())
        .filter(() => false)
        .toMat(committerSink(), Keep.right)
        .run(),
    divertTo: (sent) =>
      sent
        .divertTo(FlowWithContext.of<unknown>(), () => true)
        .toMat(committerSink(), Keep.right)
        .run(),
  };
  for (const [end, close] of Object.entries(ends)) {
    it(`fails the stream with context at ${end}, and its claim stays open`, () =>
      assertAllClosed(async () => {
        const kafka = failing();
        const ended: string[] = [];
        const cells = values.map((value) => ({
          value: out(value),
          claim: { share: () => undefined, end: () => void ended.push(value), at: () => undefined },
        }));
        const sent = SourceWithContext.fromSource(Source.from(cells)).via(
          producerFlowWithContext<string, string>(settings(kafka)),
        );
        expect(await rejectionOf(close(sent))).to.include({ code: "UNHANDLED_FAILURE", cause: refused });
        if (end !== "alsoTo") expect(ended).to.not.include("bad");
      }));
  }
});
