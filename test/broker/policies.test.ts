import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { bytes, nullable, plainSource, readDeadLetter, replayDeadLetters, string } from "@millrace/kafka";
import type { LocalKafka } from "@millrace/kafka-testkit";
import { Sink } from "@millrace/streams";
import { expect } from "chai";
import { brokerOrSkip } from "../support/broker.js";
import { confluentOrSkip } from "../support/confluent.js";
import { eventually, killAndAwait } from "../support/owner.js";
import type { PolicyJob, Task } from "./support/policy-process.js";
import { chosenSeed, randomNumbers } from "./support/random.js";
import { committedPositions, fill, partitionsOf } from "./support/topics.js";

const PARTITIONS = 4;
const STEP_MS = 120_000;

/** One in so many records; the others work. Those that ignore their signal take eleven seconds. */
const ONE_IN = { "fails once": 20, fails: 40, hangs: 60, refused: 40, poison: 40 } as const;

type Fate = "handled" | "dead letter" | "left out";
const FATES: Readonly<Record<Task["way"] | "poison", Fate>> = {
  works: "handled",
  "fails once": "handled",
  fails: "dead letter",
  hangs: "dead letter",
  ignores: "dead letter",
  refused: "left out",
  poison: "dead letter",
};

interface Given {
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly way: Task["way"] | "poison";
  readonly value: string;
}

describe("records that fail in every way, in a process that is killed", function () {
  this.timeout(400_000);
  let kafka: LocalKafka;
  let child: ChildProcess | undefined;
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;

  before(async function () {
    kafka = await brokerOrSkip(this);
  });
  afterEach(async () => {
    if (child && isRunning()) await killAndAwait(child);
  });

  const tasks = (perPartition: number, random: () => number): readonly Given[] =>
    Array.from({ length: PARTITIONS * perPartition }, (_, index) => {
      const [partition, offset] = [index % PARTITIONS, Math.floor(index / PARTITIONS)];
      const id = `${partition}@${offset}`;
      const drawn = (Object.keys(ONE_IN) as (keyof typeof ONE_IN)[]).find((each) => random() < 1 / ONE_IN[each]);
      const way = index === 7 ? "ignores" : (drawn ?? "works");
      // Spaces that no serde would write again.
      const value = way === "poison" ? `{ "id": "${id}", ` : `{ "id": "${id}",  "way": "${way}" }`;
      return { partition, offset, id, way, value };
    });

  const run = async (driver: PolicyJob["driver"], perPartition: number, kills: number): Promise<void> => {
    const topic = `policies-${driver}-${process.pid}`;
    const to = `${topic}-handled`;
    await kafka.createTopic(topic, { partitions: PARTITIONS });
    await kafka.createTopic(to, { partitions: PARTITIONS });
    const random = randomNumbers(chosenSeed());
    const given = tasks(perPartition, random);
    const keyOf = ({ offset }: Given): string => `k${offset % 50}`;
    await fill(
      kafka.brokers,
      given.map((each) => ({
        topic,
        partition: each.partition,
        key: Buffer.from(keyOf(each)),
        value: Buffer.from(each.value),
      })),
    );

    const job: PolicyJob = { brokers: kafka.brokers, topic, to, driver };
    let handled = 0;
    const start = (): void => {
      child = fork(fileURLToPath(new URL("support/policy-process.ts", import.meta.url)), [JSON.stringify(job)], {
        env: { ...process.env, MILLRACE_LOG: "error" },
      });
      child.on("message", (sent) => (handled += sent as number));
    };
    const committed = (): Promise<readonly number[]> => committedPositions(kafka.brokers, topic, topic, PARTITIONS);
    for (let kill = 1; kill <= kills; kill++) {
      const until = handled + (given.length / (kills + 2)) * random();
      start();
      await eventually("the moment of its death", () => handled > until || !isRunning(), STEP_MS);
      await new Promise((resolve) => setTimeout(resolve, random() * 200));
      expect(isRunning(), "it runs").to.equal(true);
      await killAndAwait(child as ChildProcess);
    }
    start();
    const all = partitionsOf(topic, PARTITIONS).map(() => perPartition);
    await eventually(
      "everything is committed",
      async () => (await committed()).join() === all.join() || !isRunning(),
      STEP_MS,
    );
    const ended = once(child as ChildProcess, "exit");
    child?.send("drain");
    expect((await ended)[0]).to.equal(0);
    expect(await committed()).to.deep.equal(all);

    const read = (name: string) =>
      plainSource({
        kafka: { brokers: kafka.brokers, groupId: "reader" },
        assignment: partitionsOf(name, PARTITIONS).map((each) => ({ ...each, offset: "beginning" as const })),
        ...{ key: string(), value: nullable(bytes()), until: "end" as const },
      }).runWith(Sink.toArray());
    const fates = new Map<string, Set<Fate>>(given.map(({ id }) => [id, new Set<Fate>()]));
    for (const { value } of await read(to)) fates.get(String(value))?.add("handled");
    const letters = await read(`${topic}-dlt`);
    for (const { partition, key, value, headers } of letters) {
      const letter = readDeadLetter({ headers });
      const { original } = letter ?? {};
      const source = given.find((each) => each.partition === original?.partition && each.offset === original.offset);
      expect(letter, "a letter").to.deep.include({ dialect: driver === "confluent" ? "spring" : "plain" });
      expect(original).to.include({ topic, group: topic, partition });
      expect(String(value), "bytes as they came").to.equal(source?.value);
      expect(key).to.equal(source && keyOf(source));
      expect(letter?.error.part).to.equal(source?.way === "poison" ? "value" : undefined);
      if (source) fates.get(source.id)?.add("dead letter");
    }
    const wrong = given.filter(({ id, way }) => {
      const found = [...(fates.get(id) ?? [])].join();
      return found !== (FATES[way] === "left out" ? "" : FATES[way]);
    });
    expect(wrong.map(({ id, way }) => `${id} ${way}: ${[...(fates.get(id) ?? [])].join()}`)).to.deep.equal([]);
    const { length: undecodable } = letters.filter(({ headers }) => readDeadLetter({ headers })?.error.part);
    const report = await replayDeadLetters({
      kafka: { brokers: kafka.brokers },
      topic: `${topic}-dlt`,
      where: ({ error }) => error.part === undefined,
    });
    expect(report).to.include({ read: letters.length, left: undecodable, replayed: letters.length - undecodable });
    const again = (await read(topic)).filter(({ offset }) => offset >= perPartition);
    expect(again).to.have.length(report.replayed);
    for (const { partition, key, value, headers } of again) {
      const { original } = readDeadLetter({ headers }) ?? {};
      const source = given.find((each) => each.partition === original?.partition && each.offset === original.offset);
      expect([partition, key, String(value)]).to.deep.equal([
        source?.partition,
        source && keyOf(source),
        source?.value,
      ]);
    }
    const counted = (fate: Fate): number => given.filter(({ way }) => FATES[way] === fate).length;
    process.stderr.write(
      `${given.length} records, ${kills} kills: ${counted("handled")} handled, ${counted("dead letter")} dead letters (${letters.length} written), ${counted("left out")} left out\n`,
    );
  };

  it("have one outcome each, and none is lost or silent", () => run("node-rdkafka", 500, 3));

  it("have it in Spring's words, with bytes, over Confluent's driver", function () {
    confluentOrSkip(this);
    return run("confluent", 100, 1);
  });
});
