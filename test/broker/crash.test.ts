/** Whether the soak (`pnpm soak`) would notice: a judge that has never said no has not been tested. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { LocalKafka } from "@millrace/kafka-testkit";
import { expect } from "chai";
import { CoordinatorLog } from "../soak/coordinator-log.js";
import type { Life } from "../soak/life.js";
import { Oracle } from "../soak/oracle.js";
import { type Fault, planFaults, type PlanOptions, segmentsOf } from "../soak/plan.js";
import { ProgressWatch } from "../soak/progress-watch.js";
import type { PipelineName } from "../soak/protocol.js";
import { type Output, partitionOf, partsOf } from "../soak/records.js";
import { Timeline } from "../soak/timeline.js";
import { type Evidence, judge, type Law } from "../soak/verdict.js";
import { skipWithReason } from "../support/broker.js";

const PARTITIONS = 8;
const RECORDS = 1000;
const T0 = 1_000_000;

const lifeOf = (number: number, changes: Partial<Life> = {}): Life => ({
  number,
  slot: number,
  pipeline: "explicit",
  startedAt: T0,
  samples: [],
  stalls: [],
  heardAt: T0,
  delivered: 1,
  progressAt: T0,
  drainAt: undefined,
  ended: undefined,
  ...changes,
});

/** A run in which all went well, unless something is added. */
class Story {
  readonly lives: Life[];
  readonly oracle: Oracle;
  readonly watch: ProgressWatch;
  readonly drained: { at: number; life: number; positions: (readonly [number, number])[] }[] = [];
  readonly rates: { x: number; y: number }[] = [];
  readonly #outputs: (readonly [Output, number])[] = [];

  constructor(pipeline: PipelineName = "explicit") {
    this.lives = [lifeOf(0, { pipeline }), lifeOf(1, { pipeline })];
    this.oracle = new Oracle(PARTITIONS, RECORDS, (life) => this.lives[life]?.pipeline);
    this.watch = new ProgressWatch(this.oracle);
    const ends = Array.from({ length: PARTITIONS }, () => 0);
    for (let number = 0; number < RECORDS; number++) {
      const partition = partitionOf(number, PARTITIONS);
      const offset = ends[partition] ?? 0;
      ends[partition] = offset + 1;
      this.oracle.acknowledged(number, partition, offset);
      for (let part = 0; part < partsOf(number); part++) {
        const stamp = { life: 0, generation: 1, deliveredAt: T0 };
        this.#outputs.push([{ number, part, partition, offset, ...stamp }, partition]);
      }
    }
  }

  /** The outputs of one partition that a sound worker makes, in order. */
  of(partition: number): readonly Output[] {
    return this.#outputs.filter(([, each]) => each === partition).map(([output]) => output);
  }

  tell(outputs: readonly Output[] = this.#outputs.map(([output]) => output)): this {
    for (const output of outputs) this.oracle.output(output, output.partition);
    return this;
  }

  /** Everything is committed, and read to be so, at that moment. */
  commit(at: number = T0 + 1000, positions: readonly number[] = this.oracle.ends): this {
    this.oracle.positions(at, positions);
    return this;
  }

  judged(): readonly Law[] {
    const { lives, oracle, watch, drained, rates } = this;
    const history = { lives, brokerFaults: [], timelines: oracle.timelines, drained };
    return judge({ oracle, watch, history, rates, minutes: 20, calmFrom: 0 } satisfies Evidence).laws;
  }

  broken(): readonly string[] {
    return this.judged().flatMap(({ name, outcome }) => (outcome === "broken" ? [name] : []));
  }
}

describe("the soak's oracle", () => {
  it("is content with a run in which all went well", () => {
    const laws = new Story().tell().commit().judged();
    expect(laws.filter(({ outcome }) => outcome === "broken")).to.deep.equal([]);
    expect(laws.filter(({ outcome }) => outcome === "held")).to.have.length(13);
  });

  it("misses a record without output", () => {
    const story = new Story();
    story.tell(story.of(0).slice(0, -1));
    for (let partition = 1; partition < PARTITIONS; partition++) story.tell(story.of(partition));
    expect(story.broken()).to.deep.equal(["nothing is lost", "in the end everything is committed"]);
  });

  it("misses one of two outputs of a record, when it is committed", () => {
    const story = new Story();
    const whole = story.of(0);
    const second = whole.findIndex(({ part }) => part === 1);
    const outputs = story.of(0).filter((_, index) => index !== second);
    for (let partition = 1; partition < PARTITIONS; partition++) story.tell(story.of(partition));
    story.tell(outputs).commit();
    expect(story.broken()).to.include.members(["nothing is lost", "committed ≤ processed, whenever looked"]);
  });

  it("objects to an output that nobody asked for", () => {
    const story = new Story().tell();
    const [first] = story.of(0);
    story.oracle.output({ ...first!, number: RECORDS + 5 }, 0);
    story.commit();
    expect(story.broken()).to.deep.equal(["outputs are what was asked for"]);
  });

  it("objects to a committed position that goes back", () => {
    const story = new Story().tell().commit();
    const before = story.oracle.ends.map((end) => end - 1);
    story.commit(T0 + 2000, before).commit(T0 + 3000);
    expect(story.broken()).to.deep.equal(["committed positions never go back"]);
  });

  it("objects to a delivery below a committed position, but for one to a process that woke up", () => {
    const again = (story: Story): Output => ({ ...story.of(3)[0]!, life: 1, deliveredAt: T0 + 5000 });
    const awake = new Story().tell().commit();
    awake.tell([again(awake)]);
    expect(awake.broken()).to.include("repeated only what was not committed");
    const woken = new Story().tell().commit();
    woken.lives[1]?.stalls.push({ from: T0 - 9000, until: T0 + 4900 });
    expect(woken.tell([again(woken)]).broken()).to.deep.equal([]);
  });

  it("allows a delivery again before anything is committed", () => {
    const story = new Story().tell();
    story.tell(story.of(2).map((output) => ({ ...output, life: 1, deliveredAt: T0 + 10 })));
    expect(story.commit().broken()).to.deep.equal([]);
  });

  it("objects to a delivery of what a graceful stop had finished, even where it was not committed", () => {
    const story = new Story().tell();
    story.lives[0] = lifeOf(0, { drainAt: T0 + 100, ended: { at: T0 + 300, how: "drained", text: "exit code 0" } });
    story.drained.push({ at: T0 + 200, life: 0, positions: [[2, story.oracle.ends[2] ?? 0]] });
    story.tell(story.of(2).map((output) => ({ ...output, life: 1, deliveredAt: T0 + 400 })));
    expect(story.commit().broken()).to.deep.equal(["a graceful stop is never repeated"]);
  });

  it("objects to a gap and to a wrong order within an assignment", () => {
    for (const change of [
      ([first, , ...others]: readonly Output[]) => [first!, ...others],
      ([first, second, ...others]: readonly Output[]) => [second!, first!, ...others],
    ]) {
      const story = new Story();
      story.tell(change(story.of(5)));
      expect(story.broken()).to.include("order within an assignment");
    }
  });

  it("asks pipelines that work by key for the order of each key, and unordered ones for none", () => {
    const story = new Story("keys");
    const [first, second, ...others] = story.of(5);
    story.tell([second!, first!, ...others]);
    expect(story.broken()).not.to.include("order within an assignment");
    const backwards = new Story("keys");
    backwards.tell([...backwards.of(5)].reverse());
    expect(backwards.broken()).to.include("order within an assignment");
    const free = new Story("unordered");
    free.tell([...free.of(5)].reverse());
    expect(free.broken()).not.to.include("order within an assignment");
  });

  it("objects to a delivery of a partition that was given up", () => {
    const story = new Story();
    story.tell(story.of(1).map((output) => ({ ...output, generation: -1 })));
    expect(story.broken()).to.include("nothing is delivered of a partition given up");
  });

  it("objects to a process that fails by itself, or does not end gracefully when asked to", () => {
    const ended = { at: T0 + 90_000, how: "failed", text: "exit code 1" } as const;
    const alone = new Story().tell().commit();
    alone.lives[1] = lifeOf(1, { ended });
    expect(alone.broken()).to.deep.equal(["no process fails by itself"]);
    const asked = new Story().tell().commit();
    asked.lives[1] = lifeOf(1, { ended, drainAt: T0 + 80_000 });
    expect(asked.broken()).to.deep.equal(["graceful stops end in time, with exit code 0"]);
  });

  it("objects to a process and to a partition that stand still while there is work", () => {
    const story = new Story();
    const now = Date.now() + 61_000;
    story.watch.look(now, [lifeOf(0, { startedAt: now - 46_000, progressAt: now - 46_000 })], []);
    expect(story.broken()).to.include.members(["every process makes progress", "every partition makes progress"]);
    const frozen = new Story();
    frozen.watch.look(now, [lifeOf(0, { stalls: [{ from: now - 60_000, until: Infinity }] })], []);
    expect(frozen.broken()).not.to.include("every process makes progress");
  });

  it("objects to memory that grows and to a rate that falls, in what lasted long enough", () => {
    const leak = (perMinute: number): Life["samples"] =>
      Array.from({ length: 120 }, (_, index) => ({
        at: T0 + index * 5000,
        heapBytes: 2e7 + (index / 12) * perMinute * 1024 * 1024,
        heapTotalBytes: 4e7,
        rssBytes: 1e8 + (index / 12) * perMinute * 1024 * 1024,
        cpuMs: index,
        delivered: index,
      }));
    const story = new Story().tell().commit();
    story.lives[0] = lifeOf(0, { samples: leak(3) });
    for (let minute = 0; minute < 20; minute++) story.rates.push({ x: minute, y: 1000 - 10 * minute });
    expect(story.broken()).to.have.length(3);
    const sound = new Story().tell().commit();
    sound.lives[0] = lifeOf(0, { samples: leak(0.1) });
    for (let minute = 0; minute < 20; minute++) sound.rates.push({ x: minute, y: 1000 + (minute % 2) * 50 });
    expect(sound.judged().map(({ outcome }) => outcome)).to.deep.equal(Array.from({ length: 16 }, () => "held"));
  });

  it("knows the highest floor from before a moment, in whatever order floors are added", () => {
    const timeline = new Timeline();
    timeline.add(30, 7);
    timeline.add(10, 5);
    timeline.add(20, 3);
    expect([5, 10, 11, 25, 31].map((moment) => timeline.before(moment))).to.deep.equal([0, 0, 5, 5, 7]);
  });
});

describe("what the soak reads in the broker's log", () => {
  const line = (text: string): string => `broker 1: … INFO [GroupCoordinator id=1] ${text}`;
  const twice = line("Ignored load completion from __consumer_offsets-1 because context is in ACTIVE state.");

  it("is a fault of its own from a second load on, until it comes back or loads its groups once", () => {
    const log = new CoordinatorLog();
    log.read(line("Starting up."), 1);
    expect(log.faults).to.deep.equal([]);
    log.read(twice, 2);
    log.read(twice, 3);
    expect(log.faults).to.deep.equal([{ from: 2, until: Infinity }]);
    log.read(line("Starting up."), 5);
    log.read(twice, 6);
    log.read(line("Loaded classic group g with 3 members."), 8);
    expect(log.faults).to.deep.equal([
      { from: 2, until: 5 },
      { from: 6, until: 8 },
    ]);
  });

  it("is a fault of its own while its controller has not heard of it, until it has loaded its groups again", () => {
    const log = new CoordinatorLog();
    log.read("INFO [QuorumController id=1] Fencing broker 1 at epoch 141 because its session has timed out.", 1);
    log.read(line("Loaded classic group g with 3 members."), 4);
    expect(log.faults).to.deep.equal([{ from: 1, until: 4 }]);
  });
});

describe("the soak's plan", () => {
  const FIVE_MINUTES = 300_000;
  const options: PlanOptions = {
    seed: 1,
    durationMs: FIVE_MINUTES,
    slots: 3,
    sessionTimeoutMs: 6000,
    brokerFaults: true,
  };

  it("is repeated by its seed, and another one by another", () => {
    expect(planFaults(options)).to.deep.equal(planFaults({ ...options }));
    expect(planFaults(options)).not.to.deep.equal(planFaults({ ...options, seed: 2 }));
  });

  it("has every kind of fault in five minutes, in order of time, and spares one process at a time", () => {
    for (let seed = 0; seed < 200; seed++) {
      const faults = planFaults({ ...options, seed });
      expect(new Set(faults.map(({ kind }) => kind)).size, `seed ${seed}`).to.equal(8);
      const times = faults.map(({ atMs }) => atMs);
      expect(times).to.deep.equal([...times].sort((left, right) => left - right));
      const bounds = faults.filter(({ kind }) => kind === "rolling" || kind === "blackout").map(({ atMs }) => atMs);
      const hit = (from: number, to: number): Set<number> =>
        new Set(
          faults.flatMap((fault: Fault) => ("slot" in fault && fault.atMs > from && fault.atMs < to ? fault.slot : [])),
        );
      expect(bounds).to.have.length(segmentsOf(FIVE_MINUTES) - 1);
      [0, ...bounds].forEach((from, index) => expect(hit(from, bounds[index] ?? Infinity).size).to.be.at.most(2));
    }
  });
});

describe("a soak of thirty seconds with workers that commit too early", function () {
  this.timeout(180_000);

  it("fails, and says what was lost and how to repeat it", async function () {
    const search = await LocalKafka.find();
    if (!search.available) return skipWithReason(this, `no real Kafka can be run here (${search.reasons.join("; ")})`);
    const main = fileURLToPath(new URL("../soak/main.ts", import.meta.url));
    const args = ["--minutes", "0.5", "--pipeline", "broken", "--seed", "1"];
    const child = spawn(process.execPath, [...process.execArgv, main, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    const output = await text(child.stdout);
    const [code] = (await closed) as [number | null];
    expect(output).to.match(/^BROKEN\s+nothing is lost/m);
    expect(output).to.match(/^BROKEN\s+committed ≤ processed/m);
    expect(output).to.contain("--seed 1 ");
    expect(code).to.equal(1);
  });
});
