import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmbeddedKafka, LocalKafka, type LocalBroker } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { accepts, eventually, isRunning, killAndAwait, ownInOtherProcess } from "../support/owner.js";
import { leaderOf, rawProducer, readValues, type RawProducer } from "../support/raw-client.js";
import { brokerOrSkip, ownBrokersOrSkip, skipWithReason } from "../support/broker.js";

function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "accepted",
    (error: unknown) => error,
  );
}

function restoreEnvironment(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, before);
}

describe("LocalKafka, where the tests may share a cluster", function () {
  this.timeout(30_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });

  it("refuses to create a topic that exists", async () => {
    const topic = `exists-${process.pid}`;
    await kafka.createTopic(topic, { partitions: 1 });
    expect(await refusal(kafka.createTopic(topic))).to.include({ code: "REQUEST_FAILED" });
    await kafka.deleteTopic(topic);
  });

  it("refuses to delete a topic that does not exist", async () => {
    expect(await refusal(kafka.deleteTopic(`never-${process.pid}`))).to.include({ code: "REQUEST_FAILED" });
  });

  it("creates a topic whose partitions take records at once, and deletes it", async () => {
    const topic = `round-trip-${process.pid}`;
    await kafka.createTopic(topic, { partitions: 2, configs: { "retention.ms": "3600000" } });
    await using producer = await rawProducer(kafka.brokers);
    await producer.send(topic, 1, "hello");
    expect(await readValues(kafka.brokers, topic, 1, 1)).to.deep.equal(["hello"]);
    await kafka.deleteTopic(topic);
    // The name is free again: deletion has reached the brokers.
    await kafka.createTopic(topic, { partitions: 1 });
    await kafka.deleteTopic(topic);
  });
});

describe("LocalKafka with a broker of its own", function () {
  this.timeout(60_000);
  let kafka: LocalKafka | undefined;
  let broker: LocalBroker;

  before(async function () {
    kafka = await ownBrokersOrSkip(this);
    broker = kafka.broker(1);
  });

  after(() => kafka?.stop());

  async function clientsOf(topic: string): Promise<{ brokers: string; producer: RawProducer }> {
    const { brokers = "" } = kafka ?? {};
    await kafka?.createTopic(topic, { partitions: 1 });
    return { brokers, producer: await rawProducer(brokers) };
  }

  it("refuses a broker that is not there", () => {
    expect(() => kafka?.broker(2)).to.throw(RangeError, "from 1 to 1");
  });

  it("refuses to take partitions from a topic", async () => {
    await kafka?.createTopic("grown", { partitions: 2 });
    expect(await refusal(kafka?.addPartitions("grown", 1) ?? Promise.resolve())).to.include({ code: "REQUEST_FAILED" });
  });

  it("keeps its data when the broker is killed and started again", async () => {
    const { brokers, producer } = await clientsOf("kept");
    await using _ = producer;
    await producer.send("kept", 0, "before");
    const pid = broker.pid ?? 0;
    await broker.kill();
    await broker.kill();
    expect(isRunning(pid), "the JVM runs").to.equal(false);
    expect(await accepts(brokers)).to.equal(false);
    await broker.start();
    await producer.send("kept", 0, "after");
    expect(await readValues(brokers, "kept", 0, 2)).to.deep.equal(["before", "after"]);
  });

  it("answers nothing while the broker is paused, and goes on when it is resumed", async () => {
    const { brokers, producer } = await clientsOf("paused");
    await using _ = producer;
    await producer.send("paused", 0, "before");
    await broker.pause();
    let answered = false;
    const sent = producer.send("paused", 0, "meanwhile").then(() => (answered = true));
    // What must not happen cannot be polled for: a frozen broker gets the time in which a running one answers.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(answered).to.equal(false);
    await broker.resume();
    await sent;
    expect(await readValues(brokers, "paused", 0, 2)).to.deep.equal(["before", "meanwhile"]);
  });

  it("is another process after a restart", async () => {
    const before = broker.pid;
    await broker.restart();
    expect(broker.pid).to.be.a("number").and.not.equal(before);
    expect(await accepts(broker.address)).to.equal(true);
  });
});

describe("LocalKafka with three brokers", function () {
  this.timeout(60_000);
  let kafka: LocalKafka;

  before(async function () {
    kafka = await ownBrokersOrSkip(this, { brokers: 3 });
  });

  // Undefined when the hook above has skipped.
  after(() => (kafka as LocalKafka | undefined)?.stop());

  it("knows who leads, elects another when that one is killed, and has all replicas in sync after its return", async () => {
    await kafka.createTopic("led", { partitions: 3 });
    const controller = await kafka.controller();
    const leader = await kafka.leader("led", 0);
    expect([1, 2, 3]).to.include.members([controller.id, leader.id]);
    await controller.kill();
    expect((await kafka.controller()).id).to.not.equal(controller.id);
    await controller.start();
    await kafka.awaitInSync();
    await kafka.addPartitions("led", 6);
    expect((await kafka.leader("led", 5)).pid).to.be.a("number");
  });

  it("goes on with acks=all when the leader is killed, and loses nothing", async () => {
    await kafka.createTopic("replicated", { partitions: 1 });
    await using producer = await rawProducer(kafka.brokers);
    const values = Array.from({ length: 40 }, (_, index) => `value ${index}`);
    const leader = (await leaderOf(kafka.brokers, "replicated", 0)) ?? 0;
    for (const [index, value] of values.entries()) {
      if (index === 20) await kafka.broker(leader).kill();
      await producer.send("replicated", 0, value);
    }
    const others = [1, 2, 3].filter((id) => id !== leader).map((id) => kafka.broker(id).address);
    expect(await leaderOf(others.join(","), "replicated", 0)).to.not.equal(leader);
    // A retry after a lost answer may write a value twice.
    const read = await readValues(others.join(","), "replicated", 0, 40);
    expect([...new Set(read)]).to.deep.equal(values);
  });
});

describe("LocalKafka, when it ends", function () {
  this.timeout(60_000);
  let directory: string;
  let oldDirectory: string | undefined;

  before(async function () {
    const search = await LocalKafka.find({ kinds: ["jvm"] });
    if (!search.available) skipWithReason(this, search.reasons.join("; "));
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "millrace-test-"));
    oldDirectory = process.env["TMPDIR"];
    process.env["TMPDIR"] = directory;
  });

  afterEach(async () => {
    if (oldDirectory === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = oldDirectory;
    await rm(directory, { recursive: true, force: true });
  });

  async function dataLeft(): Promise<readonly string[]> {
    return (await readdir(directory)).filter((name) => name.startsWith("millrace-kafka-"));
  }

  it("fails with the broker's own words when a property is wrong, and leaves no data", async () => {
    const error = await refusal(LocalKafka.start({ kinds: ["jvm"], properties: { "num.partitions": "many" } }));
    expect(error).to.include({ code: "START_FAILED" });
    expect(String(error)).to.contain("num.partitions");
    expect(await dataLeft()).to.deep.equal([]);
  });

  it("leaves no JVM and no data when the process that owns it is killed", async () => {
    const { owner, owned } = await ownInOtherProcess("local", { TMPDIR: directory });
    expect(owned.pids.map(isRunning)).to.deep.equal([true]);
    expect(await dataLeft()).to.have.length(1);
    await killAndAwait(owner);
    await eventually("the JVM is gone", () => !owned.pids.some(isRunning));
    await eventually("the data is gone", async () => (await dataLeft()).length === 0);
  });

  it("leaves no JVM and no data after stop, and takes a second stop", async () => {
    const kafka = await LocalKafka.start({ kinds: ["jvm"] });
    const pid = kafka.broker(1).pid ?? 0;
    expect(isRunning(pid)).to.equal(true);
    await kafka.stop();
    await kafka.stop();
    expect(isRunning(pid)).to.equal(false);
    expect(await dataLeft()).to.deep.equal([]);
    expect(kafka.broker(1).pid).to.equal(undefined);
  });
});

describe("LocalKafka.find", function () {
  this.timeout(30_000);
  const before = { ...process.env };

  afterEach(() => {
    restoreEnvironment(before);
  });

  it("lists why each kind was refused when there is none", async () => {
    delete process.env["KAFKA_BOOTSTRAP_SERVERS"];
    process.env["JAVA_HOME"] = "/nowhere/jdk";
    process.env["PATH"] = "/nowhere";
    const kinds = ["existing", "jvm"] as const;
    const search = await LocalKafka.find({ kinds });
    expect(search.available).to.equal(false);
    const error = await refusal(LocalKafka.start({ kinds }));
    expect(error).to.include({ code: "NO_KAFKA" });
    for (const part of ["KAFKA_BOOTSTRAP_SERVERS is not set", "/nowhere/jdk", "PATH: java does not run"]) {
      expect(String(error)).to.contain(part);
      expect(search.available ? "" : search.reasons.join()).to.contain(part);
    }
  });

  it("prefers a running cluster to everything else, and never stops it", async () => {
    await using running = await EmbeddedKafka.start();
    process.env["KAFKA_BOOTSTRAP_SERVERS"] = running.brokers;
    expect(await LocalKafka.find()).to.deep.equal({ available: true, kind: "existing" });
    const kafka = await LocalKafka.start();
    expect(kafka).to.include({ kind: "existing", brokers: running.brokers });
    expect(() => kafka.broker(1)).to.throw(/not ours to stop/);
    await kafka.stop();
    expect(await accepts(running.brokers)).to.equal(true);
  });
});

describe("a broker test that cannot run", () => {
  const before = { ...process.env };
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "millrace-test-"));
    process.env["MILLRACE_SKIP_LOG"] = join(directory, "skipped");
    delete process.env["MILLRACE_REQUIRE_BROKER"];
  });

  afterEach(async () => {
    restoreEnvironment(before);
    await rm(directory, { recursive: true, force: true });
  });

  /** The two members of mocha's context that are used. */
  function contextOf(test: object): Mocha.Context {
    const skip = (): never => {
      throw new Error("skipped by mocha");
    };
    return { test, skip } as unknown as Mocha.Context;
  }

  const titled = (title: string) => ({ fullTitle: () => title });

  it("fails where a broker is required", () => {
    process.env["MILLRACE_REQUIRE_BROKER"] = "1";
    expect(() => skipWithReason(contextOf(titled("example one")), "no reason")).to.throw(
      /REQUIRE_BROKER=1, but no reason/,
    );
  });

  it("is listed with its reason", async () => {
    expect(() => skipWithReason(contextOf(titled("example one")), "no broker")).to.throw("skipped by mocha");
    expect(await readFile(join(directory, "skipped"), "utf8")).to.equal("example one\tno broker\n");
  });

  it("is listed with all of its suite when the hook was asked", async () => {
    const tests = [titled("example one"), titled("example two")];
    const hook = { type: "hook", parent: { eachTest: (visit: (test: unknown) => void) => tests.forEach(visit) } };
    expect(() => skipWithReason(contextOf(hook), "no broker")).to.throw("skipped by mocha");
    expect(await readFile(join(directory, "skipped"), "utf8")).to.equal(
      "example one\tno broker\nexample two\tno broker\n",
    );
  });
});
