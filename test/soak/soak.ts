import { appendFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalKafka } from "@millrace/kafka-testkit";
import type { ClientProperties } from "@millrace/kafka";
import { Chaos, drainAll } from "./chaos.js";
import { CoordinatorLog } from "./coordinator-log.js";
import { Fleet } from "./fleet.js";
import { type Interval, type Life, within } from "./life.js";
import { Load } from "./load.js";
import { Observer } from "./observer.js";
import { pipelineOf, type SoakOptions } from "./options.js";
import { Oracle } from "./oracle.js";
import { calmMs, LONG_MINUTES, planFaults } from "./plan.js";
import { ProgressWatch } from "./progress-watch.js";
import type { WorkerMessage } from "./protocol.js";
import { Random } from "./random.js";
import type { Drained } from "./repetitions.js";
import type { Point } from "./slope.js";
import { judge, type Verdict } from "./verdict.js";

/**
 * Kafka's own default. With the kit's 3 s, which are for tests that wait for a dead broker, a busy machine loses the session of a
 * living one, whose coordinator then loads its groups again, and at times never lets a dead member go.
 */
const BROKER = { "broker.session.timeout.ms": "9000" };

const PARTITIONS = 8;
const SESSION_TIMEOUT_MS = 6_000;
const SAY_EVERY_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
const REST_MS = 120_000;
/** How long after the broker came back the rate is not counted. */
const CATCH_UP_MS = 30_000;
const MINUTE_MS = 60_000;

export type Say = (text: string) => void;

/** What a seed decides beside the faults. */
interface Casting {
  readonly assignor: string;
  readonly isStatic: readonly boolean[];
}

const castingOf = ({ seed, processes }: SoakOptions): Casting => {
  const random = new Random(seed + 1);
  return {
    assignor: random.chance(0.5) ? "cooperative-sticky" : "range",
    isStatic: Array.from({ length: processes }, () => random.chance(0.5)),
  };
};

/** One run; `close` ends whatever it has started, also in the middle. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #say: Say;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #stopped = new AbortController();
  readonly #drained: Drained[] = [];
  readonly #rates: Point[] = [];
  readonly #names: { readonly from: string; readonly to: string; readonly groupId: string };
  readonly #oracle: Oracle;
  readonly #lives: Life[] = [];
  readonly #coordinator = new CoordinatorLog();
  #began = Date.now();
  /** Then nobody needs the broker's log. */
  #holds = false;

  constructor(options: SoakOptions, say: Say) {
    this.#options = options;
    this.#say = say;
    const run = `soak-${options.seed}-${process.pid}`;
    this.#names = { from: `${run}-in`, to: `${run}-out`, groupId: run };
    this.#oracle = new Oracle(PARTITIONS, options.records, (life) => this.#lives[life]?.pipeline);
  }

  async run(): Promise<Verdict> {
    const kafka = await this.#startKafka();
    const say = (text: string): void => this.#say(`${this.#clock()}  ${text}`);
    const { brokers } = kafka;
    const isExcused = (at: number): boolean => within(at, this.#coordinator.faults, CATCH_UP_MS);
    const observed = { brokers, say, isExcused, partitions: PARTITIONS, ...this.#names };
    const observer = new Observer(observed, this.#oracle);
    this.#closers.push(() => observer.close());
    await observer.start();
    const fleet = this.#startFleet(kafka.brokers);
    const broker = kafka.kind === "jvm" ? kafka.broker(1) : undefined;
    const chaos = new Chaos({ fleet, broker, say });
    // Together: what is under way ends when its process has.
    this.#closers.push(async () => {
      await Promise.all([chaos.end(), fleet.close()]);
    });
    const watch = new ProgressWatch(this.#oracle);
    const load = this.#makeLoad(kafka.brokers);
    this.#began = Date.now();
    chaos.begin(this.#plan(broker !== undefined));
    const faults = (): readonly Interval[] =>
      [...chaos.brokerFaults, ...this.#coordinator.faults].sort((a, b) => a.until - b.until);
    const looking = setInterval(() => watch.look(Date.now(), fleet.living, faults()), LOOK_EVERY_MS);
    const saying = setInterval(this.#reporter(fleet, load, chaos), SAY_EVERY_MS);
    try {
      await load.run(this.#stopped.signal);
      this.#say(`${this.#clock()}  all ${load.acknowledged} records are produced; no more faults, waiting for lag 0`);
      await chaos.end();
      const { length: loadedTwice } = this.#coordinator.faults;
      if (loadedTwice > 0)
        this.#say(`${this.#clock()}  the broker had loaded its groups twice at a time ${loadedTwice} times`);
      if (chaos.missed > 0) this.#say(`${this.#clock()}  ${chaos.missed} faults found no process to disturb`);
      await this.#atRest();
    } finally {
      clearInterval(looking);
      clearInterval(saying);
    }
    this.#say(`${this.#clock()}  lag ${this.#lag()}; draining all processes`);
    await drainAll(fleet);
    await observer.upToDate(REST_MS);
    const { timelines } = this.#oracle;
    const history = { lives: this.#lives, brokerFaults: chaos.brokerFaults, timelines, drained: this.#drained };
    const { minutes } = this.#options;
    const calmFrom = minutes < LONG_MINUTES ? 0 : this.#began + minutes * MINUTE_MS - calmMs(minutes * MINUTE_MS);
    const verdict = judge({ oracle: this.#oracle, watch, history, rates: this.#rates, minutes, calmFrom });
    this.#holds = verdict.passed;
    return verdict;
  }

  /** Ends every process and removes what was created; idempotent. */
  async close(): Promise<void> {
    this.#stopped.abort();
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      await close().catch((error: unknown) => this.#say(`while cleaning up: ${String(error)}`));
    }
  }

  async #startKafka(): Promise<LocalKafka> {
    const brokerLog = join(tmpdir(), `millrace-soak-${process.pid}-broker.log`);
    const kafka = await LocalKafka.start({
      log: (line) => {
        appendFileSync(brokerLog, `${this.#clock()} ${line}\n`);
        this.#coordinator.read(line);
      },
      logLevel: "INFO",
      properties: BROKER,
    });
    this.#closers.push(async () => {
      await kafka.stop();
      if (this.#holds) rmSync(brokerLog, { force: true });
    });
    this.#say(`Kafka: ${kafka.description}; what it logs goes to ${brokerLog}`);
    if (kafka.kind !== "jvm") this.#say("This broker is not ours to stop, so only processes are disturbed.");
    for (const topic of [this.#names.from, this.#names.to]) {
      await kafka.createTopic(topic, { partitions: PARTITIONS });
      if (kafka.kind === "existing") this.#closers.push(() => kafka.deleteTopic(topic));
    }
    return kafka;
  }

  #startFleet(brokers: string): Fleet {
    const { processes, seed, pipeline } = this.#options;
    const { assignor, isStatic } = castingOf(this.#options);
    const properties: ClientProperties = {
      "partition.assignment.strategy": assignor,
      "session.timeout.ms": SESSION_TIMEOUT_MS,
      "heartbeat.interval.ms": 500,
    };
    const members = isStatic.map((each) => (each ? "static" : "dynamic")).join(", ");
    this.#say(`${processes} processes, assignor ${assignor}, members ${members}, pipeline ${pipeline}`);
    const fleet = new Fleet({
      slots: processes,
      seed,
      job: { brokers, ...this.#names, properties },
      pipelineOf: (life) => pipelineOf(this.#options, life),
      propertiesOf: (slot) => (isStatic[slot] === true ? { "group.instance.id": `slot-${slot}` } : {}),
      onStarted: (life) => this.#lives.push(life),
      onMessage: (life, message) => this.#heard(life, message),
      onFailed: ({ number, slot, ended }) =>
        this.#say(`${this.#clock()}  process ${slot} (life ${number}) failed: ${ended?.text ?? "?"}`),
    });
    for (let slot = 0; slot < processes; slot++) fleet.start(slot);
    return fleet;
  }

  #makeLoad(brokers: string): Load {
    const load = new Load({
      brokers,
      topic: this.#names.from,
      partitions: PARTITIONS,
      records: this.#options.records,
      durationMs: this.#options.minutes * MINUTE_MS,
      onAcknowledged: (number, partition, offset) => this.#oracle.acknowledged(number, partition, offset),
    });
    this.#closers.push(() => load.close());
    return load;
  }

  #plan(brokerFaults: boolean): ReturnType<typeof planFaults> {
    const { seed, minutes, processes } = this.#options;
    return planFaults({
      seed,
      durationMs: minutes * MINUTE_MS,
      slots: processes,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      brokerFaults,
    });
  }

  #heard(life: Life, message: WorkerMessage): void {
    if (message.kind === "committed") {
      for (const [partition, position] of message.positions) {
        this.#oracle.timelines[partition]?.add(message.at, position);
      }
    }
    if (message.kind === "drained") {
      this.#drained.push({ at: message.at, life: life.number, positions: message.positions });
    }
  }

  #reporter(fleet: Fleet, load: Load, chaos: Chaos): () => void {
    let before = 0;
    return () => {
      const { complete, outputs, repetitions } = this.#oracle;
      const rate = ((complete - before) * 1000) / SAY_EVERY_MS;
      before = complete;
      // The first minute is spent on starting and compiling; without a broker there is no rate, and after it a higher one.
      const minutes = (Date.now() - this.#began) / MINUTE_MS;
      const isCalm = !within(Date.now(), chaos.brokerFaults, CATCH_UP_MS);
      if (minutes > 1 && isCalm) this.#rates.push({ x: minutes, y: rate });
      const faults = [...chaos.counts].map(([kind, count]) => `${kind} ${count}`).join(", ") || "none";
      this.#say(
        `${this.#clock()}  produced ${load.acknowledged}, delivered ${complete}, ${rate.toFixed(0)}/s, lag ${this.#lag()}, ` +
          `outputs ${outputs}, repeated ${repetitions.length}, running ${fleet.living.length}; faults: ${faults}`,
      );
    };
  }

  #lag(): number {
    const { ends, committed } = this.#oracle;
    return ends.reduce((total, end, partition) => total + end - (committed[partition] ?? 0), 0);
  }

  async #atRest(): Promise<void> {
    const deadline = Date.now() + REST_MS;
    while (this.#lag() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 200));
  }

  #clock(): string {
    return `${String(Math.round((Date.now() - this.#began) / 1000)).padStart(5)} s`;
  }
}
