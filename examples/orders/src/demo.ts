/** The demo, step by step; see README.md beside this folder. */
import { producerSink, string } from "@millrace/kafka";
import { Source } from "@millrace/streams";
import { type Cluster, embeddedCluster, existingCluster } from "./cluster.js";
import { judge, sentence, type Verdict } from "./judge.js";
import { generateOrders, type OrderLine, type SeedRecord } from "./orders.js";
import { MAX_REPLAY } from "./pipeline.js";
import { grouped, type Output, Progress } from "./progress.js";
import { PRICE_SERVICE } from "./prices.js";
import { RawReader } from "./raw-reader.js";
import { WorkerProcess } from "./worker-process.js";

export interface DemoOptions {
  readonly orders: number;
  readonly seed: number;
  /** Absent: an embedded Kafka. */
  readonly brokers: string | undefined;
  readonly crash: boolean;
}

const GREEN = "\u001B[32m";
const RED = "\u001B[31m";

const sum = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((total, number) => total + (number ?? 0), 0);

/** One run; `close` ends whatever it has started, also in the middle of a step. */
export class Demo {
  readonly #options: DemoOptions;
  readonly #output: Output;
  readonly #closers: (() => Promise<void>)[] = [];
  #step = 0;
  #kills = 0;

  constructor(options: DemoOptions, output: Output) {
    this.#options = options;
    this.#output = output;
  }

  async run(): Promise<Verdict> {
    const { brokers, crash, orders, seed } = this.#options;
    this.#say("Orders are read from one Kafka topic, priced, and written line by line to another.");
    if (crash) this.#say("The process that does it is killed in the middle. In the end every order is accounted for.");

    const cluster = await (brokers === undefined ? embeddedCluster() : existingCluster(brokers));
    this.#closers.push(() => cluster.close());
    this.#next(`Kafka is ${cluster.description}`);

    const records = generateOrders(orders, seed);
    await this.#write(cluster, records);
    const reader = await RawReader.open(cluster.brokers, cluster.groupId);
    this.#closers.push(() => reader.close());
    const progress = new Progress(this.#output, await reader.ends(cluster.topics.orders));

    if (crash) await this.#runAndKill(cluster, reader, progress);
    await this.#runAndDrain(cluster, progress, crash ? "Started it again" : "Started the pipeline");
    return this.#judge(cluster, reader, records);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
  }

  async #write(cluster: Cluster, records: readonly SeedRecord[]): Promise<void> {
    const kafka = { brokers: cluster.brokers };
    await Source.from(records)
      .map(({ key, value }) => ({ topic: cluster.topics.orders, key, value }))
      .runWith(producerSink({ kafka, value: string() }));
    const count = (kind: SeedRecord["kind"]): string =>
      grouped(records.filter((record) => record.kind === kind).length);
    this.#next(`Wrote ${grouped(records.length)} records to topic ${cluster.topics.orders}:`);
    this.#say(`   ${count("order")} orders, ${count("empty")} orders without lines, ${count("poison")} poison records`);
  }

  async #runAndKill(cluster: Cluster, reader: RawReader, progress: Progress): Promise<void> {
    const worker = this.#start(cluster, "Started the pipeline");
    progress.restart([]);
    const { orders } = this.#options;
    // Where it hurts: in the middle, and with work that is finished and not committed. Few orders may never have much of it.
    const isTime = (): boolean =>
      progress.done >= orders / 2 && (progress.uncommitted >= MAX_REPLAY / 4 || progress.done >= 0.8 * orders);
    await worker.until(isTime, (report) => progress.update(report));
    await worker.kill();
    this.#kills += 1;
    progress.close();
    const committed = await reader.committed(cluster.topics.orders);
    // It may have gone on, and committed, between its last report and its death.
    const finished = Math.max(progress.done, sum(committed));
    this.#next("Killed it with SIGKILL: no warning, no chance to finish or to commit anything");
    this.#say(`   finished ${finished}, committed ${sum(committed)}: the next process goes on from what is committed,`);
    this.#say("   so orders in between are done twice, and none is left out: at least once");
    progress.restart(committed);
  }

  async #runAndDrain(cluster: Cluster, progress: Progress, words: string): Promise<void> {
    const worker = this.#start(cluster, words);
    await worker.until(
      () => progress.lag.every((lag) => lag === 0),
      (report) => progress.update(report),
    );
    progress.close();
    await worker.drain();
    this.#next("All orders are finished, so it was asked to stop (SIGTERM): it committed the rest and ended");
  }

  #start(cluster: Cluster, words: string): WorkerProcess {
    const { brokers, groupId, sessionTimeoutMs, topics } = cluster;
    const worker = new WorkerProcess({ brokers, groupId, sessionTimeoutMs, topics, seed: this.#options.seed });
    this.#closers.push(() => worker.kill());
    this.#next(`${words} as process ${worker.pid ?? "?"}; its consumer group lets it in after a few seconds`);
    if (this.#kills === 0) this.#say(`   it asks a price service for each order, which is simulated: ${PRICE_SERVICE}`);
    return worker;
  }

  async #judge(cluster: Cluster, reader: RawReader, records: readonly SeedRecord[]): Promise<Verdict> {
    const { topics } = cluster;
    const values = await reader.values(topics.lines);
    const [ends, committed] = await Promise.all([reader.ends(topics.orders), reader.committed(topics.orders)]);
    const verdict = judge({
      expected: records.map(({ lines }) => lines),
      found: values.map((value) => JSON.parse(value) as OrderLine),
      ends,
      committed,
      budget: MAX_REPLAY * this.#kills,
    });
    this.#next(`Read ${grouped(values.length)} lines back from topic ${topics.lines} with a plain client`);
    this.#say(`   committed offsets ${committed.map((each) => each ?? "none").join(" ")}, ends ${ends.join(" ")}`);
    for (const complaint of verdict.complaints) this.#say(this.#coloured(RED, `   WRONG: ${complaint}`));
    const kills = `${this.#kills} ${this.#kills === 1 ? "kill" : "kills"}`;
    this.#say(`budget: at most ${MAX_REPLAY} records per kill, ${kills}; duplicated ${verdict.duplicated}`);
    this.#say(this.#coloured(verdict.passed ? GREEN : RED, sentence(verdict)));
    return verdict;
  }

  /** On a terminal. */
  #coloured(colour: string, text: string): string {
    const plain = this.#output.isTTY !== true || (process.env["NO_COLOR"] ?? "") !== "";
    return plain ? text : `${colour}${text}\u001B[0m`;
  }

  #next(text: string): void {
    this.#step += 1;
    this.#say(`${this.#step}. ${text}`);
  }

  #say(text: string): void {
    this.#output.write(`${text}\n`);
  }
}
