import {
  isProducerFailure,
  type KafkaConnectorError,
  type KafkaSettings,
  plainSource,
  produce,
  producerFlow,
  SendProducer,
  string,
} from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink, Source } from "@millrace/streams";
import { expect } from "chai";
import { freePorts } from "../../packages/kafka-testkit/src/local/free-ports.js";
import { ownBrokersOrSkip } from "../support/broker.js";
import { grant } from "./support/acls.js";

const PASSWORD = "secret";
const USERS = ["writer", "stranger", "reader"];

const failure = (promise: Promise<unknown>): Promise<KafkaConnectorError> =>
  promise.then(
    (value) => Promise.reject(new Error(`expected a rejection, but got ${JSON.stringify(value)}`)),
    (error: unknown) => error as KafkaConnectorError,
  );

describe("rights on a real broker", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;
  let guarded: string;

  before(async function () {
    const [port] = await freePorts(1);
    guarded = `127.0.0.1:${port}`;
    const users = USERS.map((user) => `user_${user}="${PASSWORD}"`).join(" ");
    const listeners = `GUARDED://${guarded}`;
    const properties = {
      listeners,
      "advertised.listeners": listeners,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
      "inter.broker.listener.name": "PLAINTEXT",
      "sasl.enabled.mechanisms": "PLAIN",
      "listener.name.guarded.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      // Whoever comes over the plain listener may do anything.
      "super.users": "User:ANONYMOUS",
    };
    kafka = await ownBrokersOrSkip(this, { properties });
    for (const topic of ["open", "closed", "hidden"]) await kafka.createTopic(topic, { partitions: 1 });
    await grant(
      kafka.brokers,
      { user: "writer", may: "write", resource: "topic", name: "open" },
      { user: "writer", may: "describe", resource: "topic", name: "closed" },
      { user: "reader", may: "read", resource: "topic", name: "open" },
      { user: "reader", may: "describe", resource: "topic", name: "closed" },
      { user: "reader", may: "read", resource: "group", name: "readers" },
    );
  });
  after(async function () {
    this.timeout(60_000);
    await kafka?.stop();
  });

  const as = (username: string): KafkaSettings => ({
    brokers: guarded,
    security: { sasl: { mechanism: "plain", username, password: PASSWORD } },
  });

  const sent = async (user: string, topics: readonly string[]): Promise<readonly string[]> => {
    await using sender = SendProducer.create({ kafka: as(user), value: string() });
    const sends = topics.map((topic) => sender.send({ topic, value: "v" }));
    return (await Promise.allSettled(sends)).map((each) =>
      each.status === "fulfilled" ? "ok" : (each.reason as Error).message,
    );
  };
  const flowed = async (user: string, topics: readonly string[]): Promise<readonly string[]> =>
    Source.from(topics)
      .map((topic) => produce({ topic, value: "v" }))
      .via(producerFlow({ kafka: as(user), value: string(), failures: "element" }))
      .map((each) => (isProducerFailure(each) ? each.error.message : "ok"))
      .runWith(Sink.toArray())
      .catch((error: unknown) => [(error as Error).message]);

  for (const topics of [["open"], ["hidden"], ["hidden", "open"]]) {
    it(`a user without any right who writes to ${topics.join(" and ")} is refused as not authorized`, async () => {
      for (const said of [await sent("stranger", topics), await flowed("stranger", topics)]) {
        for (const each of said)
          expect(each)
            .to.match(/authorization failed/)
            .and.to.contain("Grant this user");
      }
    });
  }

  for (const first of ["open", "closed", "hidden"]) {
    it(`a forbidden write names the authorization and its topic, and another goes on, where ${first} is first`, async () => {
      const topics = [first, "open", "closed", "hidden", "open"];
      for (const said of [await sent("writer", topics), await flowed("writer", topics)]) {
        expect(said).to.have.length(topics.length);
        for (const [index, topic] of topics.entries()) {
          if (topic === "open") expect(said[index]).to.equal("ok");
          else expect(said[index]).to.match(new RegExp(`record for ${topic}\\b.*Topic authorization failed`));
        }
      }
    });
  }

  for (const [what, other, reason] of [
    ["it may see and not read", "closed", "Topic authorization failed"],
    ["it may not see", "hidden", "Topic authorization failed"],
  ] as const) {
    it(`of two topics to read, one of which ${what}, the error names that one`, async () => {
      await sent("writer", ["open"]);
      const source = plainSource({ kafka: { ...as("reader"), groupId: "readers" }, topics: ["open", other] });
      const error = await failure(source.runWith(Sink.ignore));
      expect(error).to.include({ code: "POLL_FAILED", clientCode: 29 });
      expect(error.message).to.match(new RegExp(`topic ${other}: Broker: ${reason}`));
    });
  }
});
