import {
  attempt,
  committerSink,
  type ConsumerRecord,
  type Control,
  DecoderUnavailableError,
  type Deserializer,
  discard,
  DrainingControl,
  type PartitionExplanation,
  plainSource,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import { type Logger, Sink, type Source } from "@millrace/streams";
import { settle, type VirtualClock, virtualClock } from "@millrace/streams-testkit";
import { expect } from "chai";
import { FakeKafka } from "../../support/fake-kafka.js";
import { p0, p1 } from "../../support/pipelines.js";
import { until } from "../../support/until.js";

const refused = new Error("no route to host");

describe("a record whose decoder is not ready", () => {
  let kafka: FakeKafka;
  let warnings: string[];
  beforeEach(() => {
    kafka = new FakeKafka();
    warnings = [];
  });
  afterEach(() => kafka.verify());

  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message) => warnings.push(message),
    error: () => undefined,
  };
  const settings = () => ({ kafka: { ...kafka.settings, logger }, topics: ["t"] });
  const give = (...values: readonly string[]): void =>
    kafka.client.give(values.map((value, offset) => ({ ...p0, offset, key: "k", value })));
  const committed = (): readonly number[] =>
    kafka.client.of("commit").flatMap(({ positions }) => positions.map(({ offset }) => offset));

  /** Texts are known once `learn` was called for them. */
  class Registry {
    readonly known = new Set<string>(["1", "2", "3"]);
    readonly asked: string[] = [];
    learn: (text: string) => void = () => undefined;
    fail: (error: Error) => void = () => undefined;

    get decoder(): Deserializer<string> {
      return {
        decode: (bytes) => {
          const text = String(bytes);
          this.asked.push(text);
          if (this.known.has(text)) return text;
          const until = new Promise<void>((resolve, reject) => {
            this.learn = (learnt) => {
              this.known.add(learnt);
              resolve();
            };
            this.fail = reject;
          });
          throw new DecoderUnavailableError(`no schema for ${text}`, { until });
        },
      };
    }
  }

  const gatherFrom = (source: Source<ConsumerRecord<unknown, string>, Control>, clock?: VirtualClock) => {
    const values: string[] = [];
    const control = source
      .map((record) => void values.push(`${record.partition}@${record.offset}:${record.value}`))
      .toMat(Sink.ignore, DrainingControl.from)
      .run(clock && { clock });
    return { values, control };
  };

  it("waits with its partition, while others go on, and is then delivered with what follows it, in order", async () => {
    const registry = new Registry();
    const { values, control } = gatherFrom(
      plainSource({ kafka: kafka.settings, topics: ["t"], value: registry.decoder }),
    );
    await kafka.client.assign(p0, p1);
    kafka.client.give([
      { ...p0, offset: 0, value: "1" },
      { ...p0, offset: 1, value: "new" },
      { ...p0, offset: 2, value: "2" },
      { ...p1, offset: 0, value: "3" },
    ]);
    await until(() => values.length === 2, "what can be decoded");
    kafka.client.give([{ ...p1, offset: 1, value: "1" }]);
    await until(() => values.length === 3, "more of the other partition");
    expect(values).to.deep.equal(["0@0:1", "1@0:3", "1@1:1"]);
    const [{ buffered, held }] = control.explain().partitions as [PartitionExplanation];
    expect({ buffered, ...held }).to.include({
      buffered: 2,
      offset: 1,
      tries: 1,
      waitsFor: "its decoder",
      why: "no schema for new",
    });
    expect(control.metrics()).to.include({ delivered: 3, buffered: 2 });
    // Fetching a schema once is no trouble, and no reason to fetch the records again.
    expect(control.health().ready).to.equal(true);
    expect(kafka.client.of("pause")).to.deep.equal([]);
    registry.learn("new");
    await until(() => values.length === 5, "the others");
    expect(values.slice(3)).to.deep.equal(["0@1:new", "0@2:2"]);
    expect(control.explain().partitions[0]?.held).to.equal(undefined);
    await control.drainAndShutdown();
  });

  it("is tried again later each time, is no trouble for others, and says so", async () => {
    const clock = virtualClock();
    const down = { until: undefined as boolean | undefined };
    let tries = 0;
    const value: Deserializer<string> = {
      decode: (bytes) => {
        if (String(bytes) !== "new" || down.until) return String(bytes);
        tries += 1;
        throw new DecoderUnavailableError("the registry is down", { cause: refused });
      },
    };
    const { values, control } = gatherFrom(plainSource({ ...settings(), value }), clock);
    await kafka.client.assign(p0);
    give("1", "new", "2");
    await until(() => tries === 1, "the first try");
    for (const [ms, expected] of [
      [200, 2],
      [399, 2],
      [1, 3],
      [800, 4],
    ] as const) {
      await clock.advance(ms);
      await settle();
      expect(tries, `after ${ms} ms`).to.equal(expected);
    }
    const { held } = control.explain().partitions[0]!;
    expect(held).to.deep.include({ offset: 1, tries: 4, waitsFor: "its decoder", why: "the registry is down" });
    expect(control.health()).to.deep.include({ live: true, ready: false });
    expect(control.health().reasons.find(({ code }) => code === "DECODER_UNAVAILABLE")?.message).to.match(
      /^t\[0\]: offset 1 has waited \d+ ms for its decoder, tried 4 times: the registry is down$/,
    );
    expect(control.explain().toString()).to.match(
      /; offset 1 has waited \d+ ms for its decoder, tried 4 times: the registry is down/,
    );
    expect(warnings).to.deep.equal(["kafka consumer: a record waits for its decoder: the registry is down"]);
    expect(kafka.client.paused.size).to.equal(1);
    await clock.advance(30_000);
    expect(warnings.filter((message) => !message.includes("the registry is down"))).to.deep.equal([]);
    down.until = true;
    await clock.advance(10_000);
    await until(() => values.length === 3, "the records");
    expect(values).to.deep.equal(["0@0:1", "0@1:new", "0@2:2"]);
    expect(control.health().reasons).to.deep.equal([]);
    await until(() => kafka.client.paused.size === 0, "reading to go on");
    await control.drainAndShutdown();
  });

  it("is not tried at once each time that what it waits for has failed", async () => {
    const clock = virtualClock();
    const registry = new Registry();
    const { values, control } = gatherFrom(plainSource({ ...settings(), value: registry.decoder }), clock);
    await kafka.client.assign(p0);
    give("new");
    await until(() => registry.asked.length === 1, "the first try");
    registry.fail(refused);
    await until(() => registry.asked.length === 2, "the second try");
    registry.fail(refused);
    await settle();
    expect(registry.asked).to.have.length(2);
    registry.known.add("new");
    await clock.advance(200);
    await until(() => values.length === 1, "the record");
    await control.drainAndShutdown();
  });

  it("does not end a bounded source before it was delivered", async () => {
    const registry = new Registry();
    kafka.onConsumer = (client) => (client.onWatermarks = () => ({ low: 0, high: 2 }));
    const { values, control } = gatherFrom(plainSource({ ...settings(), value: registry.decoder, until: "end" }));
    await kafka.client.assign(p0);
    give("1", "new");
    await until(() => values.length === 1, "the first");
    await settle();
    registry.learn("new");
    await control.streamCompletion;
    expect(values).to.deep.equal(["0@0:1", "0@1:new"]);
  });

  it("holds up neither a revocation nor a drain, which commit what was done before it", async () => {
    for (const leave of ["revoke", "drain"] as const) {
      const registry = new Registry();
      const control = sourceWithOffsetContext({ ...settings(), value: registry.decoder })
        .toMat(committerSink(), DrainingControl.from)
        .run();
      await kafka.client.assign(p0);
      give("1", "new", "2");
      await until(() => control.explain().partitions[0]?.held !== undefined, "it to be held");
      if (leave === "revoke") await kafka.client.revoke(p0);
      const report = await control.drainAndShutdown();
      expect(committed().at(-1), leave).to.equal(1);
      expect(report.abandoned, leave).to.equal(0);
      // It comes too late, and does nothing.
      registry.learn("new");
      await settle();
    }
  });

  it("leaves no timer where the stream ends while it waits", async () => {
    const clock = virtualClock();
    const value: Deserializer<string> = {
      decode: () => {
        throw new DecoderUnavailableError("the registry is down");
      },
    };
    const { control } = gatherFrom(plainSource({ ...settings(), value }), clock);
    await kafka.client.assign(p0);
    give("1");
    await until(() => control.explain().partitions[0]?.held !== undefined, "it to be held");
    await control.drainAndShutdown();
    expect(clock.pending).to.equal(0);
  });

  it("is no attempt that has failed", async () => {
    const registry = new Registry();
    const read = plainSource({ ...settings(), value: attempt(registry.decoder) })
      .take(1)
      .runWith(Sink.head());
    await kafka.client.assign(p0);
    give("new");
    await until(() => registry.asked.length === 1, "the first try");
    registry.learn("new");
    expect((await read)?.value).to.deep.equal({ ok: true, value: "new" });
  });

  it("is neither discarded nor an element", async () => {
    for (const undecodable of [discard("no"), "element"] as const) {
      const registry = new Registry();
      const read = plainSource({ ...settings(), value: registry.decoder, undecodable })
        .take(1)
        .runWith(Sink.head());
      await kafka.client.assign(p0);
      give("new");
      await until(() => registry.asked.length === 1, "the first try");
      registry.learn("new");
      expect(await read).to.include({ value: "new" });
    }
    expect(warnings).to.deep.equal([]);
  });
});
