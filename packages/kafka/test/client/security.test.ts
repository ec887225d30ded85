import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { inspect } from "node:util";
import {
  committableSource,
  KafkaConnectorError,
  type KafkaSettings,
  plainSource,
  producerFlow,
  producerSink,
  sharedProducer,
} from "@millrace/kafka";
import { Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { FakeKafka } from "../support/fake-kafka.js";
import { errorOf, rejectionOf } from "../support/until.js";
import { parseConsumer } from "../../src/settings/parse-consumer.js";
import { parseProducer } from "../../src/settings/parse-producer.js";

const SECRET = "s3cr3t-Pa55word";
const TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0.";
const PEM = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`;

const plain = { mechanism: "plain", username: "me", password: SECRET };

/** Settings as plain JavaScript may give them. */
const given = (security: unknown, properties: object = {}): { kafka: KafkaSettings; topics: string[] } => ({
  kafka: { brokers: "fake:9092", groupId: "g", driver: new FakeKafka(), security, properties } as never,
  topics: ["t"],
});

/** Everything a logger could make of an error. */
const textsOf = (error: unknown): string =>
  `${String(error)} ${inspect(error, { depth: 20, showHidden: true })} ${JSON.stringify(error)} ${(error as Error).stack}`;

const expectNoSecret = (text: string): void => {
  expect(text).not.to.contain(SECRET);
  expect(text).not.to.contain(TOKEN);
};

/** The properties with which a source opens its client. */
const propertiesOf = async (security: unknown, properties: object = {}): Promise<object> => {
  const settings = given(security, properties);
  const control = plainSource(settings).to(Sink.ignore).run();
  const { client } = settings.kafka.driver as FakeKafka;
  await control.shutdown();
  return client.properties;
};

describe("security settings", () => {
  const refused: readonly [what: string, security: unknown, message: RegExp, properties?: object][] = [
    ["nothing", {}, /give tls, sasl or both/],
    ["a misspelt field", { tls: true, sals: plain }, /sals/],
    ["text for tls", { tls: "yes" }, /tls/],
    ["a misspelt field of tls", { tls: { crt: "x" } }, /crt/],
    ["a certificate without its key", { tls: { cert: "c.pem" } }, /cert and key go together/],
    ["a key without its certificate", { tls: { key: PEM } }, /cert and key go together/],
    ["a passphrase of no key", { tls: { passphrase: SECRET } }, /give key/],
    ["a CA that nothing is checked by", { tls: { ca: "c.pem", rejectUnauthorized: false } }, /ca is of no use/],
    ["an unknown mechanism", { sasl: { ...plain, mechanism: "gssapi" } }, /mechanism/],
    ["an empty password", { sasl: { ...plain, password: "" } }, /password/],
    ["a password that is a number", { sasl: { ...plain, password: 1234 } }, /password/],
    ["credentials as one text", { sasl: `me:${SECRET}` }, /sasl/],
    ["a misspelt field beside a password", { sasl: { ...plain, usrname: SECRET } }, /did you mean "username"/],
    ["a token that is text", { sasl: { mechanism: "oauthbearer", token: TOKEN } }, /token is a function/],
    ["a password in two places", { sasl: plain }, /sasl\.password is decided/, { "sasl.password": SECRET }],
    ["a mechanism in two places", { sasl: plain }, /sasl\.mechanism is decided/, { "sasl.mechanism": "PLAIN" }],
    ["a protocol beside it", { tls: true }, /security\.protocol is decided/, { "security.protocol": "plaintext" }],
    ["a CA beside it", { tls: true }, /ssl\.ca\.location is decided/, { "ssl.ca.location": "x" }],
    [
      "verification switched off beside it",
      { tls: { ca: "x" } },
      /enable\.ssl\.certificate\.verification is decided/,
      { "enable.ssl.certificate.verification": false },
    ],
    ["details of a TLS that is off", { sasl: plain }, /no effect.*no tls/, { "ssl.cipher.suites": "x" }],
  ];
  for (const [what, security, message, properties] of refused) {
    it(`refuse ${what}, and do not repeat a secret`, () => {
      const error = errorOf(() => committableSource(given(security, properties)));
      expect(error).to.be.instanceOf(KafkaConnectorError).and.include({ code: "INVALID_SETTINGS" });
      expect((error as Error).message).to.match(message);
      expectNoSecret(textsOf(error));
    });
  }

  it("hold for a producer as for a source", () => {
    const { kafka } = given({ sasl: plain }, { "sasl.username": "you" });
    for (const make of [() => producerFlow({ kafka }), () => sharedProducer({ kafka })]) {
      expect(errorOf(make)).to.be.instanceOf(KafkaConnectorError).and.include({ code: "INVALID_SETTINGS" });
    }
  });

  it("say neither protocol nor mechanism where there are none", async () => {
    expect(Object.keys(await propertiesOf(undefined)).filter((key) => /security|sasl|ssl/.test(key))).to.be.empty;
  });

  const mapped: readonly [what: string, security: unknown, properties: object][] = [
    ["TLS as the system trusts it", { tls: true }, { "security.protocol": "ssl" }],
    [
      "files",
      { tls: { ca: "ca.pem", cert: "c.pem", key: "k.pem", passphrase: SECRET } },
      {
        "security.protocol": "ssl",
        "ssl.ca.location": "ca.pem",
        "ssl.certificate.location": "c.pem",
        "ssl.key.location": "k.pem",
        "ssl.key.password": SECRET,
      },
    ],
    [
      "PEM texts",
      { tls: { cert: "-----BEGIN CERTIFICATE-----", key: PEM } },
      { "security.protocol": "ssl", "ssl.certificate.pem": "-----BEGIN CERTIFICATE-----", "ssl.key.pem": PEM },
    ],
    [
      "any certificate",
      { tls: { rejectUnauthorized: false } },
      { "security.protocol": "ssl", "enable.ssl.certificate.verification": false },
    ],
    [
      "a password without TLS",
      { sasl: plain },
      {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "me",
        "sasl.password": SECRET,
      },
    ],
    [
      "SCRAM over TLS",
      { tls: true, sasl: { ...plain, mechanism: "scram-sha-512" } },
      {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": SECRET,
      },
    ],
    [
      "OAuth",
      { tls: true, sasl: { mechanism: "oauthbearer", token: async () => ({ token: TOKEN, lifetimeMs: 1 }) } },
      { "security.protocol": "sasl_ssl", "sasl.mechanisms": "OAUTHBEARER" },
    ],
  ];
  for (const [what, security, properties] of mapped) {
    it(`become librdkafka's properties: ${what}`, async () => {
      const opened = await propertiesOf(security, { "socket.keepalive.enable": false });
      expect(opened).to.include(properties);
      const others = Object.keys(opened).filter((key) => /security|sasl|ssl/.test(key) && !(key in properties));
      expect(others).to.be.empty;
    });
  }

  it("leave details of TLS to the properties", async () => {
    const opened = await propertiesOf({ tls: true }, { "ssl.cipher.suites": "x" });
    expect(opened).to.include({ "security.protocol": "ssl", "ssl.cipher.suites": "x" });
  });

  it("hand the token provider to the driver", () => {
    const token = async () => ({ token: TOKEN, lifetimeMs: 1000 });
    const handed: unknown[] = [];
    const fake = new FakeKafka();
    const driver = {
      name: "noting",
      commitsMetadata: false,
      sendsBytesInHeaders: false,
      consumer: (...values: Parameters<FakeKafka["consumer"]>) => fake.consumer(...values),
      producer: (...values: [...Parameters<FakeKafka["producer"]>, unknown?]) => {
        handed.push(values[2]);
        return fake.producer(values[0], values[1]);
      },
    };
    const settings = { brokers: "fake:9092", driver, security: { sasl: { mechanism: "oauthbearer", token } } } as const;
    void Source.empty()
      .via(producerFlow({ kafka: settings }))
      .runWith(Sink.ignore);
    expect(handed).to.deep.equal([token]);
  });
});

describe("secrets", () => {
  const raw = {
    "sasl.password": SECRET,
    "ssl.key.pem": PEM,
    "ssl.key.password": SECRET,
    "ssl.keystore.password": SECRET,
    "sasl.oauthbearer.token.endpoint.url": `https://me:${SECRET}@login.example/token`,
    "sasl.kerberos.kinit.cmd": `kinit ${SECRET}`,
  };

  for (const [what, settings] of [
    ["typed settings", given({ tls: { cert: "c.pem", key: PEM, passphrase: SECRET }, sasl: plain })],
    ["properties", given(undefined, raw)],
  ] as const) {
    it(`of ${what} are not in the settings that are kept`, () => {
      const { kafka } = settings;
      const kept = [
        parseConsumer(settings, "test", true),
        parseProducer({ kafka }, "test"),
        sharedProducer({ kafka }),
        committableSource(settings),
        producerFlow({ kafka }),
        producerSink({ kafka }),
      ];
      for (const each of kept) {
        expectNoSecret(inspect(each, { depth: 30, showHidden: true }));
        expectNoSecret(JSON.stringify(each) ?? "");
        // For most it says nothing; those with a text of their own are meant.
        // eslint-disable-next-line @typescript-eslint/no-base-to-string
        expectNoSecret(String(each));
      }
      expect(parseConsumer(settings, "test", true).properties).to.include({ "ssl.key.password": "[redacted]" });
    });
  }

  describe("with clients that cannot connect", function () {
    this.timeout(60_000);
    const sockets = new Set<{ destroy(): void }>();
    let server: Server;
    let brokers: string;

    before(async () => {
      // Hangs up on everyone, as a broker does that wants another protocol.
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined);
        socket.once("data", () => socket.destroy());
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      brokers = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });

    /** What a failing source and a failing producer log and fail with. */
    const said = async (security: unknown, properties: object = {}): Promise<string> => {
      const logged: unknown[] = [];
      const log = (...values: unknown[]): void => void logged.push(values);
      const logger = { debug: log, info: log, warn: log, error: log };
      const kafka = { brokers, groupId: "g", security, properties, logger } as unknown as KafkaSettings;
      const runs = [
        () => plainSource({ kafka, topics: ["t"] }).runWith(Sink.ignore),
        () => Source.single({ topic: "t", key: "k", value: Buffer.from("v") }).runWith(producerSink({ kafka })),
      ];
      const errors = await Promise.all(runs.map((run) => rejectionOf(Promise.resolve().then(run as () => never))));
      return [...errors, ...logged].map(textsOf).join("\n");
    };

    const failing: readonly [what: string, security: unknown, code: RegExp, properties?: object][] = [
      ["a refused password", { sasl: plain }, /CONNECT_FAILED/],
      [
        "a password among the properties",
        undefined,
        /CONNECT_FAILED/,
        {
          "security.protocol": "sasl_plaintext",
          "sasl.mechanisms": "PLAIN",
          "sasl.username": "me",
          "sasl.password": SECRET,
        },
      ],
      ["a key that is none", { tls: { cert: PEM, key: PEM, passphrase: SECRET } }, /CONNECT_FAILED|INVALID_SETTINGS/],
      [
        "a key file that is missing",
        { tls: { cert: "/nowhere/c", key: "/nowhere/k", passphrase: SECRET } },
        /CONNECT_FAILED|INVALID_SETTINGS/,
      ],
      ["a property that librdkafka does not know", { sasl: plain }, /INVALID_SETTINGS/, { "sasl.passwort": "x" }],
      [
        "a token with characters of its own",
        { sasl: { mechanism: "oauthbearer", token: async () => ({ token: `${TOKEN}ü`, lifetimeMs: 1000 }) } },
        /TOKEN_FAILED/,
      ],
      [
        "a token that is refused",
        { sasl: { mechanism: "oauthbearer", token: async () => ({ token: TOKEN, lifetimeMs: 60_000 }) } },
        /CONNECT_FAILED/,
      ],
    ];
    for (const [what, security, code, properties] of failing) {
      it(`are in no error and no log: ${what}`, async () => {
        const text = await said(security, properties);
        expect(text).to.match(code);
        expectNoSecret(text);
      });
    }
  });

  it("are found by this test where they are not hidden", () => {
    expect(() => expectNoSecret(textsOf(new Error(`password ${SECRET}`)))).to.throw();
  });
});
