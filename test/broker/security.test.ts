import { type KafkaSettings, plainSource, type SecuritySettings, SendProducer, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { inspect } from "node:util";
import { freePorts } from "../../packages/kafka-testkit/src/local/free-ports.js";
import { ownBrokersOrSkip, skipWithReason } from "../support/broker.js";
import { type Certificate, makeCertificate } from "./support/certificate.js";
import { storeScramUser } from "./support/scram.js";

const PASSWORD = "s3cr3t-Pa55word";
/** Of the SCRAM users. */
const SALTED = "s4lt3d-Pa55word";

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An unsigned token, which a broker takes that was told of no way to check signatures. */
const unsigned = (lifetimeMs: number): string => {
  const now = Math.floor(Date.now() / 1000);
  return `${base64({ alg: "none" })}.${base64({ sub: "me", iat: now, exp: now + lifetimeMs / 1000 })}.`;
};

const jaas = (module: string, options = ""): string =>
  `org.apache.kafka.common.security.${module} required ${options};`;

/** Listeners beside the plain one: who they let in is decided by the mechanism, and TLS by the one certificate. */
const LISTENERS = { SECURED: "SASL_PLAINTEXT", ENCRYPTED: "SSL", BOTH: "SASL_SSL" } as const;
type Listener = keyof typeof LISTENERS;

const brokerProperties = (addresses: Readonly<Record<Listener, string>>, { cert, key }: Certificate) => {
  const listeners = Object.entries(addresses).map(([name, address]) => `${name}://${address}`);
  const protocols = Object.entries({ PLAINTEXT: "PLAINTEXT", CONTROLLER: "PLAINTEXT", ...LISTENERS });
  return {
    listeners: listeners.join(","),
    "advertised.listeners": listeners.join(","),
    "listener.security.protocol.map": protocols.map(([name, protocol]) => `${name}:${protocol}`).join(","),
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER,SCRAM-SHA-256,SCRAM-SHA-512",
    // Sessions end with their token, so that a token that is not renewed shows.
    "connections.max.reauth.ms": "3000",
    "listener.name.secured.plain.sasl.jaas.config": jaas("plain.PlainLoginModule", `user_me="${PASSWORD}"`),
    "listener.name.secured.oauthbearer.sasl.jaas.config": jaas(
      "oauthbearer.OAuthBearerLoginModule",
      'unsecuredLoginStringClaim_sub="broker"',
    ),
    "listener.name.both.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.secured.scram-sha-256.sasl.jaas.config": jaas("scram.ScramLoginModule"),
    "listener.name.secured.scram-sha-512.sasl.jaas.config": jaas("scram.ScramLoginModule"),
    "listener.name.both.scram-sha-512.sasl.jaas.config": jaas("scram.ScramLoginModule"),
    "ssl.keystore.type": "PEM",
    "ssl.keystore.certificate.chain": cert,
    "ssl.keystore.key": key,
  };
};

describe("SASL and TLS on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka | undefined;
  let addresses: Readonly<Record<Listener, string>>;
  let own: Certificate;
  const topic = "secured";
  /** What is refused takes until the client gives up, so all of them wait at once. */
  const refused = new Map<string, Promise<unknown>>();

  before(async function () {
    const [certificate, another] = [makeCertificate(), makeCertificate()];
    if (certificate === undefined || another === undefined) {
      return skipWithReason(this, "there is no openssl, which makes certificates for the brokers");
    }
    own = certificate;
    const [secured, encrypted, both] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`) as [
      string,
      string,
      string,
    ];
    addresses = { SECURED: secured, ENCRYPTED: encrypted, BOTH: both };
    kafka = await ownBrokersOrSkip(this, { properties: brokerProperties(addresses, own) });
    await kafka.createTopic(topic, { partitions: 1 });
    for (const mechanism of ["scram-sha-256", "scram-sha-512"] as const) {
      await storeScramUser(kafka.brokers, mechanism, "salty", SALTED);
    }
    const salty = { mechanism: "scram-sha-256", username: "salty" } as const;
    const expired = async () => ({ token: EXPIRED, lifetimeMs: 60_000 });
    const refuse = (what: string, listener: Listener, security?: SecuritySettings): void =>
      void refused.set(what, failure(listener, security));
    refuse("no password", "SECURED");
    refuse("a wrong password", "SECURED", {
      sasl: { mechanism: "plain", username: "me", password: `${PASSWORD}!` },
    });
    refuse("a wrong SCRAM password", "SECURED", { sasl: { ...salty, password: `${SALTED}!` } });
    refuse("an expired token", "SECURED", { sasl: { mechanism: "oauthbearer", token: expired } });
    refuse("another CA", "ENCRYPTED", { tls: { ca: another.cert } });
    refuse("no CA", "ENCRYPTED", { tls: true });
    refuse("no TLS", "ENCRYPTED");
  });
  after(async function () {
    this.timeout(60_000);
    await Promise.all(refused.values());
    await kafka?.stop();
  });

  const EXPIRED = unsigned(-60_000);

  const settings = (listener: Listener, security: SecuritySettings | undefined): KafkaSettings => ({
    brokers: addresses[listener],
    ...(security === undefined ? {} : { security }),
  });

  /** Sends a text and reads it back. */
  const roundTrip = async (
    listener: Listener,
    security: SecuritySettings | undefined,
    value: string,
  ): Promise<void> => {
    await using producer = SendProducer.create({ kafka: settings(listener, security), value: string() });
    const { partition, offset } = await producer.send({ topic, value, key: "k" });
    const [read] = await plainSource({
      kafka: settings(listener, security),
      assignment: [{ topic, partition, offset }],
      value: string(),
    })
      .take(1)
      .runWith(Sink.toArray());
    expect(read).to.include({ value, offset });
  };

  const failure = async (listener: Listener, security: SecuritySettings | undefined): Promise<unknown> =>
    roundTrip(listener, security, "refused").then(
      () => undefined,
      (error: unknown) => error,
    );

  for (const what of ["no password", "a wrong password", "a wrong SCRAM password", "an expired token"]) {
    it(`refuses ${what}, without repeating it`, async () => {
      const error = await refused.get(what);
      expect(error).to.include({ code: "CONNECT_FAILED" });
      const told = inspect(error, { depth: 10 });
      for (const secret of [PASSWORD, SALTED, EXPIRED]) expect(told).not.to.contain(secret);
    });
  }

  for (const what of ["another CA", "no CA"]) {
    it(`fails with ${what}, and says that the certificate could not be verified`, async () => {
      const error = await refused.get(what);
      expect(error).to.include({ code: "CONNECT_FAILED" });
      expect((error as Error).message).to.match(/certificate could not be verified/);
    });
  }

  it("fails without TLS where the broker asks for it, and says so", async () => {
    const error = await refused.get("no TLS");
    expect(error).to.include({ code: "CONNECT_FAILED" });
    expect((error as Error).message).to.match(/security\.protocol/);
  });

  it("takes a name and its password", () =>
    roundTrip("SECURED", { sasl: { mechanism: "plain", username: "me", password: PASSWORD } }, "with a password"));

  it("takes a name and its password by SCRAM", () =>
    roundTrip("SECURED", { sasl: { mechanism: "scram-sha-256", username: "salty", password: SALTED } }, "by SCRAM"));

  it("encrypts, where the broker's certificate is vouched for", () =>
    roundTrip("ENCRYPTED", { tls: { ca: own.cert } }, "encrypted"));

  it("encrypts with any certificate, where rejectUnauthorized is off", () =>
    roundTrip("ENCRYPTED", { tls: { rejectUnauthorized: false } }, "encrypted for anyone"));

  it("encrypts, and takes a name and its password by SCRAM", () =>
    roundTrip(
      "BOTH",
      { tls: { ca: own.cert }, sasl: { mechanism: "scram-sha-512", username: "salty", password: SALTED } },
      "both",
    ));

  it("takes a token, and the next one when the session must prove itself again", async () => {
    let asked = 0;
    const token = async () => {
      asked += 1;
      return { token: unsigned(4000), lifetimeMs: 4000 };
    };
    await using producer = SendProducer.create({
      kafka: settings("SECURED", { sasl: { mechanism: "oauthbearer", token } }),
      value: string(),
    });
    const end = performance.now() + 10_000;
    // More than two lifetimes: the first token alone would be refused in the end.
    for (let sent = 0; performance.now() < end; sent++) {
      await producer.send({ topic, value: `with a token ${sent}`, key: "k" });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(asked).to.be.greaterThan(2);
  });
});
