import {
  KafkaConnectorError,
  produce,
  type ProducerEnvelope,
  producerFlow,
  type ProducerResult,
  producerSink,
  SendProducer,
  sharedProducer,
  type SharedProducer,
  string,
} from "@millrace/kafka";
import { Keep, Source } from "@millrace/streams";
import {
  assertAllClosed,
  settle,
  type SinkProbe,
  sinkProbe,
  type SourceProbe,
  sourceProbe,
} from "@millrace/streams-testkit";
import { expect } from "chai";
import { mock } from "node:test";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf, rejectionOf, until } from "../support/until.js";
import { Latch } from "../../../../test/support/latch.js";

type Envelope = ProducerEnvelope<string, string, string>;

interface Flow {
  readonly upstream: SourceProbe<Envelope>;
  readonly downstream: SinkProbe<ProducerResult<string>>;
}

const one = (value: string): Envelope => produce({ topic: "out", value }, value);
const many = (name: string, count: number): Envelope[] => Array.from({ length: count }, (_, n) => one(`${name}${n}`));
const fatal = (): KafkaConnectorError => new KafkaConnectorError("CLIENT_FAILED", "fatal", { fatal: true });

describe("a shared producer", () => {
  let kafka: FakeKafka;
  let shared: SharedProducer;
  beforeEach(() => {
    kafka = new FakeKafka();
    kafka.onProducer = (producer) => {
      producer.onSent = () => undefined;
    };
    shared = sharedProducer({ kafka: kafka.settings, properties: { "linger.ms": 7 } });
  });

  const flow = (): Flow => {
    const [upstream, downstream] = sourceProbe<Envelope>()
      .via(producerFlow<string, string, string>({ producer: shared, value: string() }))
      .toMat(sinkProbe<ProducerResult<string>>(), Keep.both)
      .run();
    downstream.request();
    return { upstream, downstream };
  };
  const values = (): readonly string[] => kafka.sender.sent.map(({ record }) => String(record.value));
  const acknowledgeAll = (): void => kafka.sender.acknowledge(...kafka.sender.sent.map(({ id }) => id));
  const passed = (results: readonly ProducerResult<string>[]): readonly string[] =>
    results.map(({ passThrough }) => passThrough);
  const test = (block: () => Promise<void>) => (): Promise<void> =>
    assertAllClosed(async () => {
      await block();
      await shared.close({ drop: true });
      await settle();
    });

  it(
    "fails all of its users by an error that is fatal to it, and connects anew for the next",
    test(async () => {
      const [a, b] = [flow(), flow()];
      await settle();
      expect(kafka.producers).to.have.length(1);
      const sender = SendProducer.create<string, string>({ producer: shared, value: string() });
      const sending = sender.send({ topic: "out", value: "s" });
      await until(() => values().length === 1, "a record sent");
      const error = fatal();
      kafka.sender.listener.onError(error);
      expect(await a.downstream.expectError()).to.equal(error);
      expect(await b.downstream.expectError()).to.equal(error);
      expect(await rejectionOf(sending)).to.equal(error);
      expect(kafka.sender.closes).to.deep.equal([{ drop: true, outstanding: 1 }]);
      const c = flow();
      c.upstream.send(one("c"));
      await settle();
      expect(kafka.producers).to.have.length(2);
      acknowledgeAll();
      expect(passed([await c.downstream.next()])).to.deep.equal(["c"]);
      c.downstream.cancel();
      await sender.close();
    }),
  );

  it(
    "fails those that wait for a connection that cannot be had, and tries again for the next",
    test(async () => {
      const broken = new KafkaConnectorError("CONNECT_FAILED", "no broker");
      kafka.onProducer = (producer) => void (producer.connecting = Promise.reject(broken));
      const [a, b] = [flow(), flow()];
      expect(await a.downstream.expectError()).to.equal(broken);
      expect(await b.downstream.expectError()).to.equal(broken);
      kafka.onProducer = () => undefined;
      const c = flow();
      c.upstream.send(one("c"));
      expect(passed([await c.downstream.next()])).to.deep.equal(["c"]);
      c.downstream.cancel();
    }),
  );

  it(
    "fails the flow whose record fails, and no other",
    test(async () => {
      const [a, b] = [flow(), flow()];
      a.upstream.send(one("a"));
      b.upstream.send(one("b"));
      await until(() => values().length === 2, "two records sent");
      const refused = new KafkaConnectorError("PRODUCE_FAILED", "refused");
      kafka.sender.fail(0, refused);
      expect(await a.downstream.expectError()).to.equal(refused);
      kafka.sender.acknowledge(1);
      expect(passed([await b.downstream.next()])).to.deep.equal(["b"]);
      expect(kafka.sender.closes).to.deep.equal([]);
      b.downstream.cancel();
    }),
  );

  it(
    "fails users by a report that cannot be, and not the process",
    test(async () => {
      const a = flow();
      await settle();
      const report = { length: 1, ids: [99], partitions: [0], offsets: [0], errors: [undefined] };
      kafka.sender.listener.onReports(report);
      expect(await a.downstream.expectError()).to.include({ code: "CLIENT_FAILED", fatal: true });
    }),
  );

  it(
    "logs an error that does not end it once, however many use it",
    test(async () => {
      const warnings: unknown[] = [];
      const log = (): void => undefined;
      const logger = { debug: log, info: log, error: log, warn: (message: string) => void warnings.push(message) };
      shared = sharedProducer({ kafka: { ...kafka.settings, logger } });
      const [a, b] = [flow(), flow()];
      await settle();
      kafka.sender.listener.onError(new KafkaConnectorError("CLIENT_FAILED", "a broker is gone"));
      expect(warnings).to.deep.equal(["kafka shared producer: client error: a broker is gone"]);
      a.downstream.cancel();
      b.downstream.cancel();
    }),
  );

  it(
    "closed by its owner answers what was accepted, then fails its users, and refuses new ones",
    test(async () => {
      const a = flow();
      a.upstream.send(one("a0"));
      await until(() => values().length === 1, "a record sent");
      const closed = new Latch();
      kafka.sender.close = () => closed.opened;
      const closing = shared.close();
      a.upstream.send(one("a1"));
      a.downstream.request();
      await settle();
      expect(values()).to.deep.equal(["a0"]);
      kafka.sender.acknowledge(0);
      expect(passed([await a.downstream.next()])).to.deep.equal(["a0"]);
      closed.open();
      expect(await a.downstream.expectError()).to.include({ code: "PRODUCER_CLOSED" });
      await closing;
      const late = flow();
      expect(await late.downstream.expectError()).to.include({ code: "PRODUCER_CLOSED" });
      expect(kafka.producers).to.have.length(1);
    }),
  );

  it("is refused where it is not one, beside kafka, beside properties and where neither is given", () => {
    const settings = { kafka: kafka.settings };
    for (const [wrong, message] of [
      [{ producer: { close: () => undefined } }, /sharedProducer\(\)/],
      [{ ...settings, producer: shared }, /exactly one of kafka and producer/],
      [{ producer: shared, properties: {} }, /give them to sharedProducer/],
      [{}, /exactly one of kafka and producer/],
    ] as const) {
      const error = errorOf(() => producerFlow(wrong as never));
      expect(error).to.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.match(message);
    }
  });

  it(
    "W-10 W-22 stays open when a flow completes, and serves several with one client and its own properties",
    test(async () => {
      kafka.onProducer = () => undefined;
      const run = (name: string): Promise<void> =>
        Source.from(many(name, 50))
          .map(({ records: [record] }) => record as { topic: string; value: string })
          .runWith(producerSink<string, string>({ producer: shared, value: string() }));
      await Promise.all([run("a"), run("b")]);
      await run("c");
      expect(kafka.producers).to.have.length(1);
      expect(kafka.sender.properties).to.include({ "linger.ms": 7, "enable.idempotence": true });
      expect(kafka.sender.closes).to.deep.equal([]);
      expect(shared.users).to.equal(0);
      for (const name of ["a", "b", "c"]) {
        expect(values().filter((value) => value.startsWith(name))).to.deep.equal(passedOf(many(name, 50)));
      }
      await shared.close();
      expect(kafka.sender.closes).to.deep.equal([{ drop: false, outstanding: 0 }]);
    }),
  );

  it(
    "W-11 stays open when a flow fails",
    test(async () => {
      const [a, b] = [flow(), flow()];
      a.upstream.send(one("a"));
      a.upstream.fail(new Error("upstream"));
      await until(() => values().length === 1, "a record sent");
      acknowledgeAll();
      await a.downstream.next();
      await a.downstream.expectError();
      await settle();
      expect(kafka.sender.closes).to.deep.equal([]);
      expect(shared.users).to.equal(1);
      b.downstream.cancel();
    }),
  );

  it(
    "a cancelled flow waits for its own records, and not for those of others",
    test(async () => {
      const [a, b] = [flow(), flow()];
      a.upstream.send(one("a"));
      b.upstream.send(one("b"));
      await until(() => values().length === 2, "two records sent");
      a.downstream.cancel();
      await settle();
      expect(shared.users).to.equal(2);
      kafka.sender.acknowledge(0);
      await settle();
      expect(shared.users).to.equal(1);
      kafka.sender.acknowledge(1);
      b.downstream.cancel();
    }),
  );

  it(
    "ends the run of a cancelled flow after 30 s though its reports stay away",
    test(async () => {
      const a = flow();
      a.upstream.send(one("a"));
      await until(() => values().length === 1, "a record sent");
      mock.timers.enable({ apis: ["setTimeout"] });
      try {
        a.downstream.cancel();
        await new Promise(setImmediate);
        mock.timers.tick(29_999);
        await new Promise(setImmediate);
        expect(shared.users).to.equal(1);
        mock.timers.tick(1);
        await new Promise(setImmediate);
      } finally {
        mock.timers.reset();
      }
      expect(shared.users).to.equal(0);
    }),
  );

  it(
    "gives a flow that waits its turn when another takes whatever room there is",
    test(async () => {
      kafka.onProducer = (producer) => {
        producer.capacity = 10;
        producer.onSent = () => undefined;
      };
      const [greedy, modest] = [flow(), flow()];
      greedy.upstream.sendChunk(many("greedy", 500));
      await until(() => values().length === 10, "a full queue");
      modest.upstream.sendChunk(many("modest", 3));
      await settle();
      expect(values()).to.have.length(10);
      kafka.sender.acknowledge(0, 1, 2, 3);
      await settle();
      kafka.sender.acknowledge(4, 5, 6, 7);
      await settle();
      expect(values().filter((value) => value.startsWith("modest"))).to.deep.equal(["modest0", "modest1", "modest2"]);
      greedy.downstream.cancel();
      modest.downstream.cancel();
      acknowledgeAll();
    }),
  );

  it(
    "wakes a flow that has nothing in flight when the room is made by the records of another",
    test(async () => {
      kafka.onProducer = (producer) => {
        producer.capacity = 1;
        producer.onSent = () => undefined;
      };
      const [a, b] = [flow(), flow()];
      a.upstream.send(one("a"));
      await until(() => values().length === 1, "a full queue");
      b.upstream.send(one("b"));
      await settle();
      kafka.sender.acknowledge(0);
      await until(() => values().length === 2, "the record of the other flow");
      expect(values()).to.deep.equal(["a", "b"]);
      acknowledgeAll();
      expect(passed([await b.downstream.next()])).to.deep.equal(["b"]);
      a.downstream.cancel();
      b.downstream.cancel();
    }),
  );

  it(
    "serves those behind a flow that leaves the line, or whose record can never be sent",
    test(async () => {
      kafka.onProducer = (producer) => {
        producer.capacity = 1;
        producer.onSent = () => undefined;
        producer.refuse = ({ value }) => (String(value) === "bad" ? new Error("bad") : undefined);
      };
      const [a, leaving, bad, last] = [flow(), flow(), flow(), flow()];
      a.upstream.send(one("a"));
      await until(() => values().length === 1, "a full queue");
      for (const [each, value] of [
        [leaving, "leaving"],
        [bad, "bad"],
        [last, "last"],
      ] as const) {
        each.upstream.send(one(value));
        await settle();
      }
      leaving.downstream.cancel();
      kafka.sender.acknowledge(0);
      await until(() => values().length === 2, "the last record");
      expect(values()).to.deep.equal(["a", "last"]);
      expect(await bad.downstream.expectError()).to.include({ message: "bad" });
      acknowledgeAll();
      a.downstream.cancel();
      last.downstream.cancel();
    }),
  );
});

const passedOf = (envelopes: readonly Envelope[]): readonly string[] => envelopes.map(({ passThrough }) => passThrough);
