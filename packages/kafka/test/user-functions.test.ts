import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  committablePartitionedSource,
  committableSource,
  DrainingControl,
  type KafkaSettings,
  plainPartitionedManualOffsetSource,
  plainSource,
  producerSink,
  restarting,
  SendProducer,
  sharedConsumer,
} from "@millrace/kafka";
import { Keep, type Logger, Sink, Source } from "@millrace/streams";
import { assertAllClosed } from "@millrace/streams-testkit";
import { expect } from "chai";
import { freshToken } from "../src/client/checked-token.js";
import { Bench, broken } from "./restarting/support.js";
import { records } from "./support/fake-chunk.js";
import { FakeKafka } from "./support/fake-kafka.js";
import { p0 } from "./support/pipelines.js";
import { unhandledRejections } from "../../../test/support/unhandled.js";
import { rejectionOf, until } from "./support/until.js";

const failure = new Error("the user's own");

/** What a function of the user's may do in place of its work. */
const BAD: Readonly<Record<string, () => never>> = {
  throws: () => {
    throw failure;
  },
  "answers a promise that rejects": (() => Promise.reject(failure)) as unknown as () => never,
};
type Bad = () => never;

/** What a rejecting function of a synchronous kind leads to. */
type Codes = { readonly throws: string | undefined; readonly later: string };

const expectFailure = (error: unknown, bad: Bad, codes: Codes): void => {
  if (bad !== BAD["throws"]) expect(error).to.include({ code: codes.later });
  else if (codes.throws === undefined) expect(error).to.equal(failure);
  else expect(error).to.include({ code: codes.throws, cause: failure });
};

let kafka: FakeKafka;
let logged: unknown[];

const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => void logged.push(message, fields?.["error"]),
  error: (message, fields) => void logged.push(message, fields?.["error"]),
};
const cluster = (settings: Partial<KafkaSettings> = {}): KafkaSettings => ({ ...kafka.settings, logger, ...settings });

/** Two records through a source. */
const deliver = async <A>(source: Source<A, unknown>): Promise<readonly A[]> => {
  const values = source.take(2).runWith(Sink.toArray());
  await kafka.client.assign(p0);
  kafka.client.give(records("t", 0, 0, 2));
  return values;
};

const topics = ["t"];
const handled = async (settings: object, then?: () => Promise<void> | void): Promise<unknown> => {
  const control = plainSource({ kafka: cluster(), topics, ...settings })
    .toMat(Sink.ignore, DrainingControl.from)
    .run();
  const failed = rejectionOf(control.streamCompletion);
  await kafka.client.assign(p0);
  await then?.();
  const error = await failed;
  await control.isShutdown.catch(() => undefined);
  return error;
};

const sent = async (settings: object): Promise<unknown> => {
  const sender = SendProducer.create({ kafka: cluster(), ...settings });
  const error = await rejectionOf(sender.send({ topic: "t", key: "k", value: Buffer.from("v") }));
  await sender.close();
  return error;
};

/** Each function that settings take, by its name on the pages that list them, and the others; with what becomes of it. */
const FUNCTIONS: Readonly<Record<string, (bad: Bad) => Promise<void>>> = {
  async logger(bad) {
    const bads: Logger = { debug: bad, info: bad, warn: bad, error: bad };
    const settings = cluster({ logger: bads });
    expect(await deliver(plainSource({ kafka: settings, topics }))).to.have.length(2);
    // Behind what is logged: a client's error, a revocation, a failure of the stream.
    const control = plainSource({ kafka: settings, topics }).toMat(Sink.ignore, DrainingControl.from).run();
    await kafka.client.assign(p0);
    kafka.client.listener.onError(new Error("a broker is gone"));
    await kafka.client.revoke(p0);
    kafka.client.listener.onError(broken());
    expect(await rejectionOf(control.streamCompletion)).to.include({ code: "CLIENT_FAILED" });
    await control.isShutdown.catch(() => undefined);
    const shared = sharedConsumer({ kafka: settings });
    const view = plainSource({ consumer: shared, assignment: [{ ...p0, offset: 0 }] })
      .take(1)
      .runWith(Sink.toArray());
    await until(() => shared.assignment().length === 1, "the shared consumer to read");
    kafka.client.listener.onError(new Error("a broker is gone"));
    kafka.client.give(records("t", 0, 0, 1));
    expect(await view).to.have.length(1);
    await shared.close();
    const produced = Source.single({ topic: "t", key: "k", value: null }).runWith(producerSink({ kafka: settings }));
    await until(() => kafka.producers.length > 0, "a producer");
    kafka.sender.listener.onError(new Error("a broker is gone"));
    await produced;
  },
  async "statistics.onStatistics"(bad) {
    const statistics = { intervalMs: 1000, onStatistics: bad };
    const source = plainSource({ kafka: cluster({ statistics }), topics });
    const values = source.take(2).runWith(Sink.toArray());
    kafka.client.listener.onStatistics?.("{}");
    await kafka.client.assign(p0);
    kafka.client.give(records("t", 0, 0, 2));
    expect(await values).to.have.length(2);
    expect(logged).to.include.members([`kafka: onStatistics failed: ${failure.message}`, failure]);
  },
  async "sasl.token"(bad) {
    expect(await rejectionOf(freshToken(bad))).to.include({ code: "TOKEN_FAILED", cause: failure });
  },
  async key(bad) {
    const failed = { throws: "DESERIALIZATION_FAILED", later: "DESERIALIZATION_FAILED" };
    const source = plainSource({ kafka: cluster(), topics, key: { decode: bad } });
    expectFailure(await rejectionOf(deliver(source)), bad, failed);
    const unsent = { throws: "SERIALIZATION_FAILED", later: "SERIALIZATION_FAILED" };
    expectFailure(await sent({ key: { encode: bad } }), bad, unsent);
  },
  async value(bad) {
    const failed = { throws: "DESERIALIZATION_FAILED", later: "DESERIALIZATION_FAILED" };
    const source = plainSource({ kafka: cluster(), topics, value: { decode: bad } });
    expectFailure(await rejectionOf(deliver(source)), bad, failed);
    const unsent = { throws: "SERIALIZATION_FAILED", later: "SERIALIZATION_FAILED" };
    expectFailure(await sent({ value: { encode: bad } }), bad, unsent);
  },
  async metadata(bad) {
    const source = committableSource({ kafka: cluster(), topics, metadata: bad });
    expectFailure(await rejectionOf(deliver(source)), bad, { throws: undefined, later: "INVALID_SETTINGS" });
  },
  async getOffsetsOnAssign(bad) {
    const failed = plainPartitionedManualOffsetSource({ kafka: cluster(), topics, getOffsetsOnAssign: bad }).runWith(
      Sink.ignore,
    );
    await kafka.client.assign(p0);
    expect(await rejectionOf(failed)).to.equal(failure);
    for (const answer of [undefined, "0", [{ ...p0, offset: Number.NaN }], [{ ...p0, offset: -1 }], [null]]) {
      const source = plainPartitionedManualOffsetSource({
        kafka: cluster(),
        topics,
        getOffsetsOnAssign: () => answer as never,
      });
      const refused = source.runWith(Sink.ignore);
      await kafka.client.assign(p0);
      expect(await rejectionOf(refused)).to.include({ code: "INVALID_SETTINGS" });
    }
  },
  async onAssign(bad) {
    expect(await handled({ onAssign: bad })).to.equal(failure);
  },
  async onRevoke(bad) {
    expect(await handled({ onRevoke: bad }, () => kafka.client.revoke(p0))).to.equal(failure);
  },
  async onLost(bad) {
    expect(await handled({ onLost: bad }, () => kafka.client.lose(p0))).to.equal(failure);
  },
  async onStop(bad) {
    const control = plainSource({ kafka: cluster(), topics, onStop: bad })
      .toMat(Sink.ignore, DrainingControl.from)
      .run();
    await kafka.client.assign(p0);
    await control.drainAndShutdown();
    expect(logged).to.include.members([`kafka consumer: onStop failed: ${failure.message}`, failure]);
  },
  async supervision(bad) {
    const source = committableSource({ kafka: cluster(), topics, value: { decode: BAD["throws"]! } });
    const error = await rejectionOf(deliver(source.withAttributes({ supervision: bad })));
    expect(error).to.include({ code: "DECIDER_FAILED" });
  },
  async "the graph of a partition"(bad) {
    let calls = 0;
    const outer = committablePartitionedSource({ kafka: cluster(), topics }, (source) => {
      // The first call is the check's, before anything runs.
      if (++calls > 1) return bad();
      return source.toMat(Sink.ignore, Keep.right);
    }).runWith(Sink.ignore);
    await kafka.client.assign(p0);
    expectFailure(await rejectionOf(outer), bad, { throws: undefined, later: "INVALID_SETTINGS" });
  },
  async "the graph of restarting"(bad) {
    const bench = new Bench();
    kafka = bench.kafka;
    let builds = 0;
    const build = () => (++builds > 1 ? bad() : bench.graph());
    const control = restarting({ minBackoffMs: 100, randomFactor: 0, maxRestarts: 1 }, build).run({
      clock: bench.clock,
    });
    const ended = rejectionOf(control.streamCompletion);
    await bench.fail(1);
    await bench.clock.advance(100);
    const codes = { throws: "RESTARTS_EXHAUSTED", later: "INVALID_SETTINGS" };
    expectFailure(await ended, bad, codes);
  },
  async restartOn(bad) {
    const bench = new Bench();
    kafka = bench.kafka;
    const control = bench.run({ restartOn: bad });
    await bench.fail(1);
    expectFailure(await rejectionOf(control.streamCompletion), bad, { throws: undefined, later: "INVALID_SETTINGS" });
  },
  async onRestart(bad) {
    const bench = new Bench();
    kafka = bench.kafka;
    const control = bench.run({ onRestart: bad, logger });
    await bench.fail(1);
    await bench.clock.advance(100);
    expect(kafka.consumers).to.have.length(2);
    expect(logged).to.include.members([`restarting: onRestart failed: ${failure.message}`, failure]);
    await control.drainAndShutdown();
  },
  async random(bad) {
    const bench = new Bench();
    kafka = bench.kafka;
    const control = bench.run({ random: bad, randomFactor: 1 });
    await bench.fail(1);
    expectFailure(await rejectionOf(control.streamCompletion), bad, { throws: undefined, later: "INVALID_SETTINGS" });
  },
};

/** Settings that take functions, as the pages list them; a driver is no function, but a client. */
const listed = (): readonly string[] =>
  ["settings.md", "sources.md"].flatMap((name) => {
    const page = readFileSync(join(import.meta.dirname, "../../../docs/guide", name), "utf8");
    return [...page.matchAll(/^\| `([\w.]+)` \| (?:function|Logger|Serializer|Deserializer) \|/gm)].map(
      ([, each]) => each!,
    );
  });

describe("a function that a user hands in", () => {
  beforeEach(() => {
    kafka = new FakeKafka();
    logged = [];
  });
  afterEach(() => kafka.verify());

  it("is tried here, whichever of the settings takes it", () => {
    expect(listed()).to.include.members(["logger", "onAssign", "value", "restartOn"]);
    expect(Object.keys(FUNCTIONS)).to.include.members([...new Set(listed())]);
  });

  for (const [name, outcome] of Object.entries(FUNCTIONS)) {
    for (const [what, bad] of Object.entries(BAD)) {
      it(`fails the stream or is logged, and neither ends the process nor stalls: ${name} ${what}`, async () => {
        const { error } = console;
        const printed: unknown[] = [];
        console.error = (...values: unknown[]): void => void printed.push(values);
        try {
          expect(await unhandledRejections(() => assertAllClosed(() => outcome(bad)))).to.deep.equal([]);
        } finally {
          console.error = error;
        }
        // The first failure of each logger is printed, and nothing else.
        expect(printed).to.have.length(name === "logger" ? 1 : 0);
      });
    }
  }
});
