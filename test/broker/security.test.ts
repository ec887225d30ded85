import { type KafkaSettings, plainSource, type SaslSettings, SendProducer, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { inspect } from "node:util";
import { freePorts } from "../../packages/kafka-testkit/src/local/free-ports.js";
import { ownBrokersOrSkip } from "../support/broker.js";

const PASSWORD = "s3cr3t-Pa55word";

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** An unsigned token, which a broker takes that was told of no way to check signatures. */
const unsigned = (lifetimeMs: number): string => {
  const now = Math.floor(Date.now() / 1000);
  return `${base64({ alg: "none" })}.${base64({ sub: "me", iat: now, exp: now + lifetimeMs / 1000 })}.`;
};

const jaas = (module: string, options: string): string =>
  `org.apache.kafka.common.security.${module} required ${options};`;

describe("SASL on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka | undefined;
  let port: number;
  const topic = "secured";

  before(async function () {
    port = (await freePorts(1))[0] as number;
    kafka = await ownBrokersOrSkip(this, {
      properties: {
        listeners: `SECURED://127.0.0.1:${port}`,
        "advertised.listeners": `SECURED://127.0.0.1:${port}`,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
        // Sessions end with their token, so that a token that is not renewed shows.
        "connections.max.reauth.ms": "3000",
        "listener.name.secured.plain.sasl.jaas.config": jaas("plain.PlainLoginModule", `user_me="${PASSWORD}"`),
        "listener.name.secured.oauthbearer.sasl.jaas.config": jaas(
          "oauthbearer.OAuthBearerLoginModule",
          'unsecuredLoginStringClaim_sub="broker"',
        ),
      },
    });
    await kafka.createTopic(topic, { partitions: 1 });
  });
  after(async function () {
    this.timeout(60_000);
    await kafka?.stop();
  });

  const settings = (sasl: SaslSettings | undefined): KafkaSettings => ({
    brokers: `127.0.0.1:${port}`,
    ...(sasl === undefined ? {} : { security: { sasl } }),
  });

  /** Sends a text and reads it back. */
  const roundTrip = async (sasl: SaslSettings | undefined, value: string): Promise<void> => {
    await using producer = SendProducer.create({ kafka: settings(sasl), value: string() });
    const { partition, offset } = await producer.send({ topic, value, key: "k" });
    const [read] = await plainSource({
      kafka: settings(sasl),
      assignment: [{ topic, partition, offset }],
      value: string(),
    })
      .take(1)
      .runWith(Sink.toArray());
    expect(read).to.include({ value, offset });
  };

  const failure = async (sasl: SaslSettings | undefined): Promise<unknown> =>
    roundTrip(sasl, "refused").then(
      () => undefined,
      (error: unknown) => error,
    );

  it("refuses who gives no password", async () => {
    expect(await failure(undefined)).to.include({ code: "CONNECT_FAILED" });
  });

  it("refuses a wrong password, without repeating it", async () => {
    const error = await failure({ mechanism: "plain", username: "me", password: `${PASSWORD}!` });
    expect(error).to.include({ code: "CONNECT_FAILED" });
    expect(inspect(error, { depth: 10 })).not.to.contain(PASSWORD);
  });

  it("refuses an expired token", async () => {
    const expired = unsigned(-60_000);
    const error = await failure({
      mechanism: "oauthbearer",
      token: async () => ({ token: expired, lifetimeMs: 60_000 }),
    });
    expect(error).to.include({ code: "CONNECT_FAILED" });
    expect(inspect(error, { depth: 10 })).not.to.contain(expired);
  });

  it("takes a name and its password", () =>
    roundTrip({ mechanism: "plain", username: "me", password: PASSWORD }, "with a password"));

  it("takes a token, and the next one when the session must prove itself again", async () => {
    let asked = 0;
    const token = async () => {
      asked += 1;
      return { token: unsigned(4000), lifetimeMs: 4000 };
    };
    await using producer = SendProducer.create({
      kafka: settings({ mechanism: "oauthbearer", token }),
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
