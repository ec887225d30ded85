import type { RunnableGraph } from "@millrace/streams";
import type { VirtualClock } from "@millrace/streams-testkit";
import { virtualClock } from "@millrace/streams-testkit";
import { Random } from "../simulated/random.js";
import { SimulatedKafka } from "../simulated/simulated-kafka.js";
import { type ClusterEvent, clusterEvent, type StoredPosition } from "./cluster-events.js";
import { type CommitViolation, CommitWatch } from "./commit-watch.js";
import type { DeliveryPlan, Disturbance } from "./delivery-plan.js";
import type { DeliveryInput } from "./delivery-world.js";
import { EffectTroubles } from "./effect-troubles.js";
import { Effects } from "./effects.js";
import { History } from "./history.js";
import { hold } from "./holder.js";
import type { Life } from "./life.js";
import { committedIn, type Steering, steeringOf } from "./materialised.js";
import type { DeliveryPipeline, Settings } from "./options.js";
import type { Outcome } from "./outcome.js";
import { Supervisor } from "./supervisor.js";
import { UserSteps } from "./user-steps.js";
import { verdict } from "./verdict.js";
import { visit } from "./visitor.js";
import { GROUP, INPUT, OUTPUT, worldOf } from "./world-of.js";

/** How far time goes between two looks at the processes. */
const STEP_MS = 10;
/** How long commits may follow the last effect. */
const GRACE_MS = 3000;
/** A record that the group's position has passed counts as lost once its processes do nothing for this long. */
const GIVE_UP_MS = 10_000;
/** How long a drain may take before it counts as one that never ends. */
const DRAIN_MS = 120_000;
/** How long the remains of dead processes take to end: longer than a revocation waits for streams of partitions. */
const LAST_MS = 10_000;
/** How long a partition may hang: longer than the watchdog's steps take. Then its operator restarts the process. */
const HANG_MS = 240_000;
/** Streams that end by themselves more often than this count as ending for ever. */
const MAX_RESTARTS = 25;
/** Delays wide enough for everything to overtake everything. */
const DELAYS = { appendDelayMs: [0, 30], ackDelayMs: [0, 60], commitDelayMs: [0, 30] } as const;

/**
 * One run of one plan: a cluster, the processes, and what is known of the records.
 * Long: what may happen in a run, in one list.
 */
export class DeliveryRun {
  readonly #pipeline: DeliveryPipeline;
  readonly #settings: Settings;
  readonly #plan: DeliveryPlan;
  readonly #clock: VirtualClock = virtualClock();
  readonly #random: Random;
  readonly #history: History;
  readonly #kafka: SimulatedKafka;
  readonly #effects: Effects;
  readonly #watch: CommitWatch;
  readonly #supervisor: Supervisor;
  readonly #user: UserSteps;
  readonly #troubles: EffectTroubles;
  #graph: RunnableGraph<unknown> | undefined;
  #kills = 0;
  #maxReplay = 0;
  #isBound = false;
  #endedEarly: string | undefined;
  #lastDisturbedAt = 0;
  #doneAt: number | undefined;
  #seenSteps = -1;
  #lastStepAt = 0;
  #lastProgressAt = 0;
  #done = 0;

  constructor(pipeline: DeliveryPipeline, settings: Settings, plan: DeliveryPlan) {
    this.#pipeline = pipeline;
    this.#settings = settings;
    this.#plan = plan;
    // Not the cluster's seed, or its draws would repeat here.
    this.#random = new Random(plan.seed + 0x5eed);
    this.#history = new History(() => this.#clock.now());
    this.#troubles = new EffectTroubles(this.#random, (text) => this.#history.note(text));
    this.#kafka = new SimulatedKafka({
      seed: plan.seed,
      clock: this.#clock,
      faults: { ...DELAYS, ...plan.faults },
      onEvent: (line) => this.#onCluster(clusterEvent(line)),
    });
    this.#kafka.createTopic(INPUT, plan.partitions);
    this.#kafka.createTopic(OUTPUT, plan.outputPartitions);
    this.#effects = new Effects({
      expected: settings.expected,
      effectOf: settings.effectOf,
      committedOutput: () =>
        Array.from({ length: plan.outputPartitions }, (_, partition) =>
          this.#kafka.records(OUTPUT, partition, "read_committed"),
        ).flat(),
    });
    this.#watch = new CommitWatch(this.#effects);
    this.#supervisor = new Supervisor({
      processes: plan.processes,
      now: () => this.#clock.now(),
      start: (life, onFailure) => this.#start(life, onFailure),
      onStep: (life, text) => this.#onStep(life, text),
      later: (ms, f) => void this.#clock.schedule(ms, f),
      end: (life) => {
        this.#kafka.kill(life.name);
        life.kill();
      },
      note: (text) => this.#history.note(text),
      onDrained: (life, report) => this.#onDrained(life, report),
      drawAwayMs: () => this.#random.int(10, 500),
    });
    this.#user = new UserSteps({
      kafka: this.#kafka,
      clock: this.#clock,
      random: this.#random,
      effects: this.#effects,
      watch: this.#watch,
      note: (text) => this.#history.note(text),
      onDisturbed: () => this.#disturbed(),
    });
  }

  async run(): Promise<Outcome> {
    this.#appendInputs();
    try {
      await this.#live();
    } finally {
      this.#supervisor.endAll();
      await this.#clock.advance(LAST_MS);
    }
    return this.#outcome();
  }

  async #live(): Promise<void> {
    while (this.#supervisor.restarts <= MAX_RESTARTS) {
      this.#supervisor.tend();
      if (this.#isFinished()) {
        await this.#drain();
        // A process that died in its last moments gets another life to finish.
        if (this.#isFinished()) return;
        this.#supervisor.reopen();
      } else if (this.#isLate()) return;
      await this.#clock.advance(STEP_MS);
    }
  }

  /** All effects have happened, and so has all that commits had time for. */
  #isFinished(): boolean {
    const now = this.#clock.now();
    if (this.#history.steps !== this.#seenSteps) {
      this.#seenSteps = this.#history.steps;
      this.#lastStepAt = now;
      const done = this.#countDone();
      if (done > this.#done) this.#lastProgressAt = now;
      this.#done = Math.max(this.#done, done);
      if (done < this.#plan.records) this.#doneAt = undefined;
      else this.#doneAt ??= now;
    }
    if (this.#doneAt === undefined) return false;
    return this.#isCommitted() || now - Math.max(this.#doneAt, this.#lastDisturbedAt) >= GRACE_MS;
  }

  /** Records that have all their effects. */
  #countDone(): number {
    const counts = this.#effects.counts(this.#settings.guarantee);
    const isDone = (input: DeliveryInput): boolean => this.#effects.expectedOf(input).every((id) => counts.has(id));
    return this.#effects.inputs.filter(isDone).length;
  }

  #isCommitted(): boolean {
    const positions = this.#positions();
    return this.#effects.inputs.every(({ partition, offset }) => offset < (positions.get(partition) ?? 0));
  }

  #isLate(): boolean {
    const now = this.#clock.now();
    const givenUp = this.#isPassed() && now - this.#lastStepAt >= GIVE_UP_MS;
    return givenUp || now - Math.max(this.#lastDisturbedAt, this.#lastProgressAt) >= this.#settings.withinMs;
  }

  /** A record without its effects is below the group's position: it will not be read again. */
  #isPassed(): boolean {
    const positions = this.#positions();
    return this.#effects.inputs.some(
      (input) => input.offset < (positions.get(input.partition) ?? 0) && this.#effects.undone(input).length > 0,
    );
  }

  async #drain(): Promise<void> {
    const kills = this.#kills;
    const deadline = this.#clock.now() + DRAIN_MS;
    this.#supervisor.drainAll();
    while (!this.#supervisor.allDrained && this.#clock.now() < deadline) await this.#clock.advance(STEP_MS);
    if (!this.#supervisor.allDrained) this.#supervisor.failedDrains.push(new Error("A drain did not end."));
    // A death restarts the grace period.
    if (this.#kills > kills) this.#disturbed();
  }

  #appendInputs(): void {
    const { records, partitions } = this.#plan;
    const together = this.#random.happens(0.5);
    const skipped = new Array<number>(partitions).fill(0);
    for (let number = 0, atMs = 0; number < records; number++) {
      const partition = number % partitions;
      const hole = this.#settings.holes ? this.#random.int(0, 2) : 0;
      const offset = Math.floor(number / partitions) + (skipped[partition] = (skipped[partition] ?? 0) + hole);
      const input = { id: `${partition}:${offset}`, key: `key${offset % 2}`, partition, offset };
      const append = (): void => {
        if (hole > 0) this.#kafka.skipOffsets(INPUT, partition, hole);
        this.#effects.add(input);
        this.#kafka.append(INPUT, partition, { key: input.key, value: input.id });
      };
      if (together) append();
      else this.#clock.schedule((atMs += this.#random.int(0, 200)), append);
    }
  }

  #start(life: Life, onFailure: (error: unknown) => void): Steering {
    const { unsafe } = this.#settings;
    const world = worldOf({
      life,
      driver: this.#kafka.driver,
      effects: this.#effects,
      clock: this.#clock,
      random: new Random(this.#random.int(0, 2 ** 31)),
      assignor: this.#plan.assignor,
      effectErrorRate: this.#plan.effectErrorRate,
      troubles: this.#troubles,
      bounds: this.#plan.bounds,
    });
    this.#graph = this.#pipeline(world);
    this.#isBound ||= life.isBound;
    return steeringOf(this.#graph.run({ clock: this.#clock, ...(unsafe !== undefined && { unsafe }) }), onFailure);
  }

  #onStep(life: Life, text: string): void {
    if (life.dead) {
      this.#history.note(text);
      return;
    }
    const step = this.#history.step(text);
    if (this.#plan.kills.includes(step)) this.#kill(life);
    for (const { atStep, what } of this.#plan.disturbances) if (atStep === step) this.#disturb(life, what);
  }

  #kill(life: Life): void {
    const positions = this.#positions();
    const touched = [...life.touched].flatMap((id) => this.#effects.inputOf(id) ?? []);
    const repeated = new Set(touched.filter(({ partition, offset }) => offset >= (positions.get(partition) ?? 0)));
    this.#maxReplay = Math.max(this.#maxReplay, repeated.size);
    this.#kills += 1;
    this.#disturbed();
    this.#history.note(`${life.name} DIES`);
    this.#kafka.kill(life.name);
    this.#supervisor.killed(life);
  }

  #disturb(life: Life, what: Disturbance["what"]): void {
    this.#disturbed();
    if (what === "expire") this.#kafka.expire(life.name);
    else if (what === "outage") this.#kafka.outage(this.#random.int(10, 2000));
    else if (what === "leave") this.#supervisor.leave(life, this.#plan.processes === 1);
    else if (what === "slow" || what === "fail") this.#troubles[what](this.#effects.kinds);
    else if (what === "hang") this.#hang();
    else if (what === "visit") this.#visit();
    else if (what === "hold") this.#hold();
    else {
      const control = this.#supervisor.controlOf(life);
      if (control) this.#user[what](control);
    }
  }

  #hang(): void {
    const partition = this.#random.int(0, this.#plan.partitions - 1);
    const cure = this.#random.happens(0.5) ? "seek" : "reassign";
    const hungAt = this.#clock.now();
    if (this.#kafka.hang(INPUT, partition, cure) === 0) return;
    this.#history.note(`partition ${partition} is fetched no more until ${cure}`);
    this.#lastDisturbedAt = Math.max(this.#lastDisturbedAt, hungAt + HANG_MS);
    this.#clock.schedule(HANG_MS, () => {
      if (this.#doneAt !== undefined) return;
      for (const life of this.#supervisor.present) this.#restart(life);
    });
  }

  #restart(life: Life): void {
    this.#history.note(`${life.name} is restarted, for it does nothing any more`);
    this.#kill(life);
  }

  #onDrained(life: Life, report: unknown): void {
    // A drain need not wait for work on what was lost, or on what has failed meanwhile.
    const awaited = this.#isCalm ? [...life.underWay] : [];
    const open = awaited.find((id) => this.#effects.stateOf(id) !== "done");
    const unstored = this.#unstored(report);
    const early =
      open === undefined
        ? unstored && `it reports position ${unstored.position} of partition ${unstored.partition}, which is not stored`
        : `effect "${open}" was under way`;
    if (early) this.#endedEarly ??= `the drain of ${life.name} resolved, and ${early}`;
  }

  /** A position that a drain reports as committed and the group does not have; a user's jumps may go below one. */
  #unstored(report: unknown): StoredPosition | undefined {
    if (this.#plan.disturbances.some(({ what }) => what === "seek" || what === "replay")) return undefined;
    const stored = this.#positions();
    return committedIn(report).find(({ partition, position }) => position > (stored.get(partition) ?? 0));
  }

  #disturbed(): void {
    this.#lastDisturbedAt = Math.max(this.#lastDisturbedAt, this.#clock.now());
  }

  /** Nothing but leaving, and being slow, disturbs its processes. */
  get #isCalm(): boolean {
    const { processes, disturbances, faults, effectErrorRate, kills } = this.#plan;
    const hinders = disturbances.some(({ what }) => what !== "leave" && what !== "slow");
    return (
      processes === 1 && kills.length === 0 && Object.keys(faults).length === 0 && effectErrorRate === 0 && !hinders
    );
  }

  #visit(): void {
    const visited = visit(this.#kafka, this.#clock, this.#plan.assignor, this.#random.int(10, 2000));
    void visited.then(() => this.#disturbed());
  }

  #hold(): void {
    const openMs = this.#random.int(1000, 20_000);
    this.#history.note(`a member dies, whose transaction holds positions of the group for ${openMs} ms`);
    void hold(this.#kafka, this.#clock, this.#plan.assignor, openMs).then(() => {
      this.#disturbed();
      this.#clock.schedule(openMs, () => this.#disturbed());
    });
  }

  #onCluster(event: ClusterEvent | undefined): void {
    if (event?.kind === "note") this.#history.note(event.text);
    if (!event || event.kind === "note") return;
    const life = this.#supervisor.life(event.life);
    const text = event.kind === "step" ? event.text : this.#judge(event);
    if (!life) return this.#history.note(text);
    if (event.kind === "step") {
      this.#watch.changesHands([...event.givenUp, ...event.taken]);
      this.#forget(life, event.givenUp);
    }
    this.#onStep(life, text);
  }

  /** Its death no longer repeats what it has begun of partitions that it gives up. */
  #forget(life: Life, partitions: readonly number[]): void {
    for (const id of life.touched) {
      const input = this.#effects.inputOf(id);
      if (input && partitions.includes(input.partition)) life.touched.delete(id);
    }
  }

  #judge({ life, positions }: ClusterEvent & { readonly kind: "commit" }): string {
    const found: (CommitViolation | undefined)[] = positions.map(({ partition, position }) =>
      this.#watch.stored(partition, position, this.#history.steps + 1),
    );
    const names = positions.map(({ partition, position }) => `${INPUT}-${partition}@${position}`).join(" ");
    const wrong = found.flatMap((each) =>
      each?.passed ? `  <-- ABOVE ${each.passed.input.id}, ${each.passed.state}` : [],
    );
    return `the commit of ${life} is stored: ${names}${wrong.join("")}`;
  }

  #positions(): ReadonlyMap<number, number> {
    return new Map(this.#kafka.committed(GROUP).map(({ partition, offset }) => [partition, offset]));
  }

  #outcome(): Outcome {
    const counts = this.#effects.counts(this.#settings.guarantee);
    return {
      plan: this.#plan,
      graph: this.#graph,
      failure: verdict({
        settings: this.#settings,
        plan: this.#plan,
        effects: this.#effects,
        counts,
        positions: this.#positions(),
        violations: this.#watch.violations,
        maxReplay: this.#maxReplay,
        failsForEver: this.#supervisor.restarts > MAX_RESTARTS,
        lastFailure: this.#supervisor.lastFailure,
        failedDrains: this.#supervisor.failedDrains,
        failedLeaves: this.#isCalm ? this.#supervisor.failedLeaves : [],
        endedEarly: this.#endedEarly,
        budget: this.#settings.maxReplay ?? (this.#isBound ? this.#plan.bounds.maxReplay.records : undefined),
        explanation: this.#supervisor.explain(),
      }),
      history: this.#history.lines,
      steps: this.#history.steps,
      kills: this.#kills,
      duplicates: [...counts.values()].reduce((sum, count) => sum + count - 1, 0),
      maxReplay: this.#maxReplay,
    };
  }
}
