import {
  type Committable,
  committableSource,
  committerSink,
  deadLetters,
  discard,
  DrainingControl,
  handle,
  handleCommittable,
  type HandlePolicy,
  json,
  KafkaConnectorError,
  NotRetriableError,
  readDeadLetter,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { settle } from "@millrace/streams-testkit";
import { expect } from "chai";
import { LetterRig } from "../support/letter-rig.js";
import { p0 } from "../support/pipelines.js";
import { rejectionOf, until } from "../support/until.js";

const refused = new NotRetriableError("unknown sku");
const headers = [["trace", Buffer.from([0xff, 0])]] as const;

describe("a record that fails for good, with dead letters", () => {
  let rig: LetterRig;
  beforeEach(() => {
    rig = new LetterRig();
  });
  afterEach(() => rig.kafka.verify());

  const policyOf = (policy: Partial<HandlePolicy>): HandlePolicy => ({
    ...{ otherwise: deadLetters(), logger: rig.logger, backoff: { jitter: 0 } },
    ...policy,
  });
  const settings = () => ({ ...rig.settings, value: json() });
  type Fails = (value: unknown) => unknown;
  const graphs: Readonly<
    Record<string, (f: Fails, policy?: Partial<HandlePolicy>) => { run(options: object): DrainingControl<void> }>
  > = {
    handle: (f, policy = {}) =>
      sourceWithOffsetContext(settings())
        .via(handle(({ value }) => void f(value), policyOf(policy)))
        .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from),
    handleCommittable: (f, policy = {}) =>
      committableSource(settings())
        .via(handleCommittable(({ value }) => f(value), policyOf(policy) as HandlePolicy & { order?: "key" }))
        .map((offset): Committable => offset)
        .toMat(committerSink({ maxBatch: 1 }), DrainingControl.from),
  };
  const failing: Fails = (value) => {
    if (value === "bad") throw refused;
    return value;
  };
  /** The bytes are not those that the serde would write. */
  const give = (): void =>
    rig.client.give([
      { ...p0, offset: 0, key: "a", value: ' "bad"', headers, timestamp: 99 },
      { ...p0, offset: 1, key: "b", value: '"good"' },
    ]);

  for (const [surface, graph] of Object.entries(graphs)) {
    describe(surface, () => {
      it("is written as it came, and is committed once that is stored", async () => {
        let acknowledge: () => void = () => undefined;
        rig.onSent = (producer, sent) => (acknowledge = () => producer.acknowledge(...sent.map(({ id }) => id)));
        const control = graph(failing).run({ clock: rig.clock });
        await rig.client.assign(p0);
        give();
        await rig.meanwhile(() => rig.sent.length === 1, "the letter");
        const { record } = rig.sent[0]!;
        expect(record).to.deep.include({
          topic: "t-dlt",
          partition: 0,
          key: Buffer.from("a"),
          value: Buffer.from(' "bad"'),
        });
        expect(record.headers?.[0]).to.deep.equal(headers[0]);
        const letter = readDeadLetter({ headers: record.headers ?? [] })!;
        expect(letter.original).to.deep.equal({ topic: "t", partition: 0, offset: 0, timestamp: 99, group: "g" });
        expect(letter.error).to.include({ name: "NotRetriableError", message: "unknown sku", part: undefined });
        expect(letter.attempts).to.equal(1);
        await rig.clock.advance(1000);
        await settle();
        expect(rig.committed).to.deep.equal([]);
        acknowledge();
        await rig.meanwhile(() => rig.committed.at(-1) === 2, "the commit");
        if (surface === "handle") expect(control.metrics()).to.include({ parked: 1, processed: 1 });
        expect(rig.warnings).to.deep.equal([
          `kafka: t[0]@0 goes to the dead letters of ${surface} after 1 attempt: unknown sku`,
        ]);
        await control.drainAndShutdown();
        expect(rig.kafka.producers.every(({ closes }) => closes.length === 1)).to.equal(true);
      });

      it("is written again, later each time, until it is stored, and never left out for that", async () => {
        let fails = 3;
        rig.onSent = (producer, sent) => {
          for (const { id } of sent) {
            if (fails-- > 0)
              setImmediate(() => producer.fail(id, new KafkaConnectorError("PRODUCE_FAILED", "no broker")));
            else setImmediate(() => producer.acknowledge(id));
          }
        };
        const control = graph(failing).run({ clock: rig.clock });
        await rig.client.assign(p0);
        give();
        await until(() => rig.sent.length === 1, "the first try");
        await settle();
        expect(rig.sent).to.have.length(1);
        if (surface === "handle") {
          await until(
            () => /tried once/.test(String(control.explain().partitions[0]?.blockedBy?.stage)),
            "what is said",
          );
          expect(control.explain().partitions[0]?.blockedBy?.stage).to.equal(
            "handle, its dead letter could not be written, tried once (no broker)",
          );
        }
        await rig.meanwhile(() => rig.committed.at(-1) === 2, "the commit");
        expect(rig.sent).to.have.length(4);
        expect(rig.warnings.at(1)).to.equal(
          `kafka: dead letters of ${surface} cannot be written, so their records wait: no broker`,
        );
        await control.drainAndShutdown();
      });

      it("stays unfinished where the drain is out of time while it is written", async () => {
        rig.onSent = () => undefined;
        const control = graph(failing).run({ clock: rig.clock });
        control.streamCompletion.catch(() => undefined);
        await rig.client.assign(p0);
        give();
        await until(() => rig.sent.length === 1, "the letter");
        const drained = rejectionOf(control.drainAndShutdown({ timeoutMs: 1000 }));
        await settle();
        await rig.clock.advance(1000);
        rig.kafka.producers[0]?.acknowledge(0);
        expect(await drained).to.include({ code: "DRAIN_INCOMPLETE" });
        expect(rig.committed).to.deep.equal([]);
      });

      it("is not written again once its partition belongs to another owner", async () => {
        rig.onSent = (producer, sent) => {
          setImmediate(() => producer.fail(sent[0]!.id, new KafkaConnectorError("PRODUCE_FAILED", "no broker")));
        };
        const control = graph(failing).run({ clock: rig.clock });
        await rig.client.assign(p0);
        give();
        await until(() => rig.warnings.length === 2, "the failure");
        rig.client.lose(p0);
        await rig.clock.advance(10_000);
        await settle();
        expect(rig.sent).to.have.length(1);
        expect(await control.drainAndShutdown()).to.include({ parked: 0 });
      });

      it("is refused in words that the driver cannot send", () => {
        rig.kafka.sendsBytesInHeaders = false;
        const graphOf = graph(failing, { otherwise: deadLetters({ headers: "spring" }) });
        expect(() => graphOf.run({ clock: rig.clock })).to.throw(/needs bytes in headers/);
      });

      it("may go elsewhere by its error", async () => {
        const otherwise: HandlePolicy["otherwise"] = ({ error }) =>
          error === refused ? deadLetters({ headers: "plain" }) : discard("no");
        const control = graph(failing, { otherwise }).run({ clock: rig.clock });
        await rig.client.assign(p0);
        give();
        await rig.meanwhile(() => rig.committed.at(-1) === 2, "the commit");
        expect(readDeadLetter({ headers: rig.sent[0]!.record.headers! })?.dialect).to.equal("plain");
        await control.drainAndShutdown();
      });

      it("refuses to start where there is no topic for it", async () => {
        rig.topics.delete("t-dlt");
        const control = graph(failing).run({ clock: rig.clock });
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "TOPIC_NOT_FOUND" });
      });

      it("fails the stream where it is too large, and stays", async () => {
        rig.kafka.onProducer = (producer) => {
          producer.refuse = () => new KafkaConnectorError("INVALID_RECORD", "too large", { reason: "tooLarge" });
        };
        const control = graph(failing).run({ clock: rig.clock });
        await rig.client.assign(p0);
        give();
        expect(await rejectionOf(control.streamCompletion)).to.include({ code: "DEAD_LETTER_TOO_LARGE" });
        expect(rig.committed).to.deep.equal([]);
      });
    });
  }

  it("has its bytes also where a stage in between has changed the element", async () => {
    const control = sourceWithOffsetContext(settings())
      .map((record) => ({ ...record, value: "other" }))
      .via(
        handle(() => {
          throw refused;
        }, policyOf({})),
      )
      .map(() => undefined)
      .toMat(committerSink({ maxIntervalMs: 1 }), DrainingControl.from)
      .run({ clock: rig.clock });
    await rig.client.assign(p0);
    rig.client.give([{ ...p0, offset: 0, key: "a", value: ' "bad"' }]);
    await rig.meanwhile(() => rig.committed.at(-1) === 1, "the commit");
    expect(rig.sent[0]?.record.value?.toString()).to.equal(' "bad"');
    await control.drainAndShutdown();
  });

  it("fails the stream where records were gathered before, and says so", async () => {
    const control = sourceWithOffsetContext(settings())
      .grouped(2)
      .map(([first]) => first!)
      .via(
        handle(() => {
          throw refused;
        }, policyOf({})),
      )
      .map(() => undefined)
      .toMat(committerSink(), DrainingControl.from)
      .run({ clock: rig.clock });
    await rig.client.assign(p0);
    give();
    expect(((await rejectionOf(control.streamCompletion)) as Error).message).to.match(
      /let handle\(\) follow its source/,
    );
  });
});
