import { EmbeddedKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { accepts, eventually, killAndAwait, ownInOtherProcess } from "../support/owner.js";
import { rawProducer, readValues } from "../support/raw-client.js";

describe("EmbeddedKafka", function () {
  this.timeout(20_000);
  const started: EmbeddedKafka[] = [];

  async function start(...options: Parameters<typeof EmbeddedKafka.start>): Promise<EmbeddedKafka> {
    const kafka = await EmbeddedKafka.start(...options);
    started.push(kafka);
    return kafka;
  }

  async function roundTrip(brokers: string, topic: string): Promise<readonly string[]> {
    await using producer = await rawProducer(brokers);
    await producer.send(topic, 0, "hello");
    return await readValues(brokers, topic, 0, 1);
  }

  afterEach(async () => {
    await Promise.all(started.splice(0).map((kafka) => kafka.stop()));
  });

  it("refuses a number of brokers that is not a positive whole number", async () => {
    for (const brokers of [0, -1, 1.5, Number.NaN]) {
      const outcome = await EmbeddedKafka.start({ brokers }).catch((error: unknown) => error);
      expect(outcome, String(brokers)).to.be.instanceOf(RangeError);
    }
  });

  it("says that a cluster in this process cannot be killed", async () => {
    const kafka = await start();
    expect(await kafka.kill().catch((error: unknown) => error)).to.include({ code: "NOT_SUPPORTED" });
  });

  it("refuses connections after stop, and takes a second stop", async () => {
    const kafka = await start();
    await kafka.stop();
    await kafka.stop();
    expect(await accepts(kafka.brokers)).to.equal(false);
  });

  it("hands back a record that was produced", async () => {
    const kafka = await start();
    expect(await roundTrip(kafka.brokers, "greetings")).to.deep.equal(["hello"]);
  });

  it("creates a topic of 4 partitions when it is first used", async () => {
    const kafka = await start();
    await using producer = await rawProducer(kafka.brokers);
    expect(await producer.send("four", 3, "last")).to.equal(0);
    expect(await producer.send("four", 4, "none").catch(() => "refused")).to.equal("refused");
  });

  it("lists as many brokers as were asked for", async () => {
    const kafka = await start({ brokers: 3 });
    expect(new Set(kafka.brokers.split(",")).size).to.equal(3);
  });

  it("is stopped by `await using`", async () => {
    let brokers: string;
    {
      await using kafka = await EmbeddedKafka.start();
      brokers = kafka.brokers;
      expect(await accepts(brokers)).to.equal(true);
    }
    expect(await accepts(brokers)).to.equal(false);
  });

  describe("in a child process", () => {
    it("ends when the process that started it is killed", async () => {
      const { owner, owned } = await ownInOtherProcess("embedded");
      expect(await accepts(owned.brokers)).to.equal(true);
      await killAndAwait(owner);
      await eventually("the orphan stops listening", async () => !(await accepts(owned.brokers)));
    });

    it("dies with all it held when it is killed", async () => {
      const kafka = await start({ process: "child" });
      await kafka.kill();
      await kafka.kill();
      expect(await accepts(kafka.brokers)).to.equal(false);
    });

    it("keeps its records when the client that wrote them has gone", async () => {
      const kafka = await start({ process: "child" });
      await using producer = await rawProducer(kafka.brokers);
      await producer.send("kept", 0, "first");
      await producer.close();
      expect(await readValues(kafka.brokers, "kept", 0, 1)).to.deep.equal(["first"]);
    });

    it("refuses connections after stop", async () => {
      const kafka = await start({ process: "child", brokers: 2 });
      await kafka.stop();
      for (const address of kafka.brokers.split(",")) expect(await accepts(address)).to.equal(false);
    });
  });
});
