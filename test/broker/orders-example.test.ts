import type { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import rdkafka from "node-rdkafka";
import { brokerOrSkip } from "../support/broker.js";
import { runDemo, verdictOf } from "../support/demo-process.js";

describe("orders example on a real Kafka", function () {
  this.timeout(130_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  it("delivers every order when the pipeline is killed, and removes its topics", async () => {
    const { code, errors, lastLine, output } = await runDemo(["--brokers", kafka.brokers, "--orders", "3000"], 120_000);
    expect({ code, errors }).to.deep.equal({ code: 0, errors: "" });
    const { delivered, orders, lost } = verdictOf(lastLine);
    expect({ lost, missing: orders - delivered }).to.deep.equal({ lost: 0, missing: 0 });
    expect(output).to.include("Killed it with SIGKILL");
    const topic = /topic (millrace-demo-\S+)-orders/.exec(output)?.[1] ?? "none";
    expect(await topicsOf(kafka.brokers)).not.to.include.members([`${topic}-orders`]);
    expect(await topicsOf(kafka.brokers)).not.to.include.members([`${topic}-order-lines`]);
  });

  it("says so when there is no cluster at the address", async () => {
    const { code, errors } = await runDemo(["--brokers", "127.0.0.1:1"], 60_000);
    expect(code).to.equal(1);
    expect(errors).to.match(/127\.0\.0\.1:1.*Check --brokers/);
  });
});

function topicsOf(brokers: string): Promise<readonly string[]> {
  const client = new rdkafka.Producer({ "bootstrap.servers": brokers, log_level: 0 });
  return new Promise((resolve, reject) => {
    client.connect({ allTopics: true, timeout: 10_000 }, (error, { topics }) => {
      client.disconnect(() => {
        if ((error as unknown) === null || (error as unknown) === undefined) resolve(topics.map(({ name }) => name));
        else reject(new Error(error.message));
      });
    });
  });
}
