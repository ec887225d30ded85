import * as connector from "@millrace/kafka";
import { Keep, type Logger, Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { format, inspect } from "node:util";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf } from "../support/until.js";

const {
  AdminClient,
  atMostOnceSource,
  committablePartitionedManualOffsetSource,
  committablePartitionedSource,
  committableSink,
  committableSource,
  committerSink,
  DrainingControl,
  MetadataClient,
  partitionedSourceWithOffsetContext,
  plainPartitionedManualOffsetSource,
  plainPartitionedSource,
  plainSource,
  producerFlow,
  producerFlowWithContext,
  producerSink,
  restarting,
  SendProducer,
  sharedConsumer,
  sharedProducer,
  sourceWithOffsetContext,
} = connector;

const SECRET = "S3CRET-pa55word";
const PEM = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`;

type Kafka = connector.KafkaSettings & { readonly groupId: string };

/** Settings of a cluster with secrets in every place that takes one. */
const SETTINGS: Readonly<Record<string, () => Kafka>> = {
  security: () => ({
    ...new FakeKafka().settings,
    security: {
      tls: { cert: "-----BEGIN CERTIFICATE-----", key: PEM, passphrase: SECRET },
      sasl: { mechanism: "plain", username: "me", password: SECRET },
    },
  }),
  "a token provider": () => ({
    ...new FakeKafka().settings,
    security: {
      tls: true,
      sasl: { mechanism: "oauthbearer", token: async () => ({ token: SECRET, lifetimeMs: 1000 }) },
    },
  }),
  properties: () => ({
    ...new FakeKafka().settings,
    properties: {
      "sasl.password": SECRET,
      "ssl.key.pem": PEM,
      "ssl.key.password": SECRET,
      "sasl.oauthbearer.client.secret": SECRET,
      "sasl.oauthbearer.token.endpoint.url": `https://me:${SECRET}@login.example/token`,
      "sasl.kerberos.kinit.cmd": `kinit ${SECRET}`,
    },
  }),
};

const topics = ["t"];
const assignment = [{ topic: "t", partition: 0, offset: 0 }] as const;
const getOffsetsOnAssign = () => [];
const graph = (source: { to(sink: Sink<unknown, unknown>): unknown }) => source.to(Sink.ignore) as never;

/** What each factory makes; each may make several things. */
const FACTORIES: Readonly<Record<string, (kafka: Kafka) => readonly unknown[] | Promise<readonly unknown[]>>> = {
  AdminClient: (kafka) => [AdminClient.create({ kafka: { ...kafka, driver: administered(kafka) } })],
  MetadataClient: async (kafka) => [await MetadataClient.open({ kafka })],
  atMostOnceSource: (kafka) => [atMostOnceSource({ kafka, topics })],
  committablePartitionedManualOffsetSource: (kafka) => [
    committablePartitionedManualOffsetSource({ kafka, topics, getOffsetsOnAssign }),
  ],
  committablePartitionedSource: (kafka) => [
    committablePartitionedSource({ kafka, topics }),
    committablePartitionedSource({ kafka, topics }, graph),
  ],
  committableSink: (kafka) => [committableSink({ kafka })],
  committableSource: (kafka) => [committableSource({ kafka, topics })],
  partitionedSourceWithOffsetContext: (kafka) => [partitionedSourceWithOffsetContext({ kafka, topics })],
  plainPartitionedManualOffsetSource: (kafka) => [
    plainPartitionedManualOffsetSource({ kafka, topics, getOffsetsOnAssign }),
  ],
  plainPartitionedSource: (kafka) => [plainPartitionedSource({ kafka, topics })],
  plainSource: (kafka) => {
    const running = plainSource({ kafka, topics }).toMat(Sink.ignore, DrainingControl.from).run();
    void running.drainAndShutdown();
    return [plainSource({ kafka, topics }), running, running.explain(), running.metrics(), running.report()];
  },
  producerFlow: (kafka) => [producerFlow({ kafka }), Source.empty().via(producerFlow({ kafka }))],
  producerFlowWithContext: (kafka) => [producerFlowWithContext({ kafka })],
  producerSink: (kafka) => [producerSink({ kafka }), Source.empty().to(producerSink({ kafka }))],
  restarting: (kafka) => {
    const build = () => plainSource({ kafka, topics }).toMat(Sink.ignore, DrainingControl.from);
    const control = restarting({}, build).run();
    void control.drainAndShutdown();
    return [restarting({}, build), control, control.explain()];
  },
  SendProducer: (kafka) => [SendProducer.create({ kafka })],
  sharedConsumer: (kafka) => {
    const consumer = sharedConsumer({ kafka });
    const source = plainSource({ consumer, assignment });
    const running = source.toMat(Sink.ignore, DrainingControl.from).run();
    void running.drainAndShutdown();
    return [consumer, source, source.to(Sink.ignore), running, consumer.metrics()];
  },
  sharedProducer: (kafka) => {
    const producer = sharedProducer({ kafka });
    return [producer, producerFlow({ producer }), SendProducer.create({ producer })];
  },
  sourceWithOffsetContext: (kafka) => [
    sourceWithOffsetContext({ kafka, topics }),
    sourceWithOffsetContext({ kafka, topics }).toMat(committerSink(), Keep.both),
  ],
};

/** What is exported and takes no settings of a cluster. */
const OTHERS = [
  ...["attempt", "bytes", "byPartition", "checkGraph", "committerFlow", "committerSink", "groupByPartition"],
  ...[
    "groupByPartitionWithContext",
    "deadLetters",
    "healthServer",
    "resilient",
    "replayDeadLetters",
    "discard",
    "handle",
    "handleCommittable",
    "isProducerFailure",
    "isUndecodable",
    "json",
    "nullable",
    "passThrough",
    "produce",
    "produceMulti",
  ],
  ...[
    "string",
    "confluentDriver",
    "rdkafkaDriver",
    "DrainingControl",
    "readDeadLetter",
    "runUntilSignal",
    "runsOf",
    "silentLogger",
  ],
  ...[
    "CommittableOffset",
    "CommittableOffsetBatch",
    "ConnectionFailedError",
    "DecoderUnavailableError",
    "DeserializationError",
    "NotRetriableError",
    "DrainError",
    "GraphReport",
  ],
  ...["KafkaConnectorError", "UnsafeGraphError"],
];

/** An admin client wants a driver that can change topics. */
const administered = (kafka: Kafka): connector.KafkaDriver => {
  const driver = kafka.driver as FakeKafka;
  driver.topicAdmin = () => ({ close: async () => undefined }) as never;
  return driver;
};

/** Ways to make text of anything. */
const WAYS: Readonly<Record<string, (made: unknown) => string>> = {
  inspect: (made) => inspect(made),
  "inspect, deep": (made) => inspect(made, { depth: 30, showHidden: true, getters: true }),
  JSON: (made) => JSON.stringify(made) ?? "",
  format: (made) => format("%o %j %s", made, made, made),
  String: (made) => String(made),
  "a copy": (made) => inspect(structuredClone(made), { depth: 30 }),
  "a shallow copy": (made) => inspect({ ...(made as object) }, { depth: 30 }),
  describe: (made) => inspect((made as { describe?(): unknown }).describe?.(), { depth: 30 }),
};

const textOf = (way: (made: unknown) => string, made: unknown): string => {
  try {
    return way(made);
  } catch (error) {
    // What cannot be copied or written so shows nothing; its error must not either.
    return inspect(error, { depth: 30 });
  }
};

describe("secrets in settings", () => {
  it("are tried on every factory that is exported", () => {
    expect([...Object.keys(FACTORIES), ...OTHERS].sort()).to.deep.equal(Object.keys(connector).sort());
  });

  it("are found by this test where they are not hidden", () => {
    const open = { kafka: SETTINGS["security"]!(), ways: 1 };
    for (const [name, way] of Object.entries(WAYS)) {
      if (/describe|String|copy$/.test(name)) continue;
      expect(textOf(name === "inspect" ? (made) => inspect(made, { depth: 4 }) : way, open)).to.contain(SECRET);
    }
  });

  for (const [where, settings] of Object.entries(SETTINGS)) {
    for (const [name, make] of Object.entries(FACTORIES)) {
      it(`from ${where} are in nothing that can be printed of what ${name} makes`, async () => {
        for (const made of await make(settings())) {
          for (const [way, text] of Object.entries(WAYS)) {
            expect(textOf(text, made), way).not.to.match(/S3CRET|PRIVATE KEY/);
          }
        }
      });
    }
  }

  describe("in the wrong place", () => {
    const kafka = { ...new FakeKafka().settings, driver: new FakeKafka() };
    const wrong: Readonly<Record<string, object>> = {
      "an address": { brokers: `me:${SECRET}@host:9092` },
      "one of several addresses": { brokers: ["host:9092", `sasl_ssl://me:${SECRET}@host:9093`] },
      "addresses among the properties": { properties: { "bootstrap.servers": `me:${SECRET}@host:9092` } },
      "the other addresses among them": { properties: { "metadata.broker.list": `me:${SECRET}@host:9092` } },
      "the name of a property": { properties: { [SECRET]: "sasl.password" } },
      "the name of a property with a value that none takes": { properties: { [SECRET]: [] } },
      "the name of a setting": { [SECRET]: "x" },
      "the name of a setting of tls": { security: { tls: { [SECRET]: "x" } } },
      "the name of a setting of sasl": { security: { sasl: { mechanism: "plain", [SECRET]: "me" } } },
      "a mechanism": { security: { sasl: { mechanism: SECRET } } },
    };
    for (const [place, settings] of Object.entries(wrong)) {
      it(`are not repeated: as ${place}`, () => {
        const error = errorOf(() => plainSource({ kafka: { ...kafka, ...settings }, topics }));
        expect(error).to.include({ code: "INVALID_SETTINGS" });
        expect(`${inspect(error, { depth: 30, showHidden: true })} ${JSON.stringify(error)}`).not.to.match(/S3CRET/);
      });
    }

    it("are not repeated: as the name of a setting of another call", () => {
      for (const build of [
        () => plainSource({ kafka, topics, [SECRET]: 1 } as never),
        () => producerFlow({ kafka, [SECRET]: 1 } as never),
        () => committerSink({ [SECRET]: 1 } as never),
        () => sharedConsumer({ kafka, [SECRET]: 1 } as never),
        () => restarting({ [SECRET]: 1 } as never, () => undefined as never),
      ]) {
        expect(inspect(errorOf(build), { depth: 30 }))
          .to.match(/is like none/)
          .and.not.match(/S3CRET/);
      }
    });

    it("does not keep a misspelt name from being reported, with the one that was meant", () => {
      const messageOf = (settings: object): string =>
        (errorOf(() => plainSource({ kafka: { ...kafka, ...settings }, topics })) as Error).message;
      expect(messageOf({ broker: "x" })).to.match(/"broker" \(did you mean "brokers"\?\)/);
      expect(messageOf({ security: { sals: {} } })).to.match(/"sals" \(did you mean "sasl"\?\)/);
      expect(messageOf({ topics: [] })).to.match(
        /no such setting here: "topics" \(it belongs beside kafka, not into it\)/,
      );
      const beside = errorOf(() => plainSource({ kafka, topics, clientId: "me" } as never)) as Error;
      expect(beside.message).to.match(/no such setting here: "clientId" \(it belongs into kafka\)/);
      expect(messageOf({ properties: { "sasl.pasword": "x" } })).to.match(
        /`sasl\.pasword` \(did you mean `sasl\.password`/,
      );
    });
  });

  describe("warn", () => {
    const dangers: readonly (readonly [what: string, settings: object, warning: RegExp | undefined])[] = [
      [
        "a password without TLS",
        { security: { sasl: { mechanism: "plain", username: "u", password: SECRET } } },
        /PLAIN without TLS/,
      ],
      [
        "a password without TLS, as properties",
        { properties: { "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.password": SECRET } },
        /PLAIN without TLS/,
      ],
      [
        "a token without TLS",
        { security: { sasl: { mechanism: "oauthbearer", token: async () => ({ token: SECRET, lifetimeMs: 1 }) } } },
        /OAUTHBEARER without TLS/,
      ],
      ["any certificate", { security: { tls: { rejectUnauthorized: false } } }, /any certificate/],
      [
        "any certificate, as properties",
        { properties: { "security.protocol": "ssl", "enable.ssl.certificate.verification": "false" } },
        /any certificate/,
      ],
      [
        "a certificate of any host",
        { security: { tls: true }, properties: { "ssl.endpoint.identification.algorithm": "none" } },
        /of any host/,
      ],
      [
        "a password over TLS",
        { security: { tls: true, sasl: { mechanism: "plain", username: "u", password: SECRET } } },
        undefined,
      ],
      [
        "SCRAM without TLS",
        { security: { sasl: { mechanism: "scram-sha-512", username: "u", password: SECRET } } },
        undefined,
      ],
      ["nothing at all", {}, undefined],
    ];
    for (const [what, settings, warning] of dangers) {
      it(`${warning ? "once for each logger" : "of nothing"}: ${what}`, () => {
        const warnings: string[] = [];
        const nothing = (): void => undefined;
        const logger: Logger = {
          debug: nothing,
          info: nothing,
          error: nothing,
          warn: (text) => void warnings.push(text),
        };
        const kafka = { ...new FakeKafka().settings, ...settings, logger };
        plainSource({ kafka, topics });
        producerFlow({ kafka });
        sharedConsumer({ kafka });
        expect(warnings).to.have.length(warning ? 1 : 0);
        if (warning)
          expect(warnings[0])
            .to.match(warning)
            .and.not.match(/S3CRET/);
      });
    }
  });
});
