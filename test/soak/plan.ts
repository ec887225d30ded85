import { Random } from "./random.js";

/** What is done to the fleet, in milliseconds since the load began; a slot is the place of one process. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: "kill" | "drain"; readonly slot: number; readonly downMs: number }
  | { readonly kind: "stall"; readonly slot: number; readonly stallMs: number }
  /** All processes, one after the other, each drained and started again. */
  | { readonly kind: "rolling" }
  /** All processes at once, killed. */
  | { readonly kind: "blackout"; readonly downMs: number }
  | { readonly kind: "broker-restart" }
  | { readonly kind: "broker-kill" | "broker-pause"; readonly downMs: number }
);

export type FaultKind = Fault["kind"];

export interface PlanOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly slots: number;
  readonly sessionTimeoutMs: number;
  /** Whether the broker is ours to kill. */
  readonly brokerFaults: boolean;
}

const FIRST_MS = 8_000;
/** Left at the end for the group to come to rest. */
const LAST_MS = 10_000;
/** A slot that was disturbed is left alone for this time, on top of the disturbance. */
const RECOVERY_MS = 6_000;
const ROLLING_MS_PER_SLOT = 7_000;
const BROKER_RECOVERY_MS = 15_000;

/** Each kind as often as it is here, in random order, then again: a run of five minutes has every kind. */
const BAG: readonly FaultKind[] = ["kill", "kill", "kill", "kill", "drain", "drain", "stall", "stall"];
const BROKER_BAG: readonly FaultKind[] = ["broker-restart", "broker-kill", "broker-pause"];

const SEGMENT_MS = 15 * 60_000;
const LEAST_SEGMENTS = 3;

/** Parts of the run, in each of which another slot is spared, so that some lives are long enough to see slow growth. */
export const segmentsOf = (durationMs: number): number => Math.max(LEAST_SEGMENTS, Math.round(durationMs / SEGMENT_MS));

/** From here on a run is long enough for what grows slowly. */
export const LONG_MINUTES = 20;
const LONG_MS = LONG_MINUTES * 60_000;
/** A life as long as the gates ask for, and the time in which the last processes that were disturbed come back. */
const LEAST_CALM_MS = 6 * 60_000;

/** Of a long run the last quarter is calm, so that there are lives to judge, whatever became of those before. */
export const calmMs = (durationMs: number): number =>
  durationMs < LONG_MS ? LAST_MS : Math.max(durationMs / 4, LEAST_CALM_MS);

class Planner {
  readonly #options: PlanOptions;
  readonly #random: Random;
  readonly #faults: Fault[] = [];
  readonly #freeAt: number[];
  #bag: FaultKind[] = [];
  #nowMs = FIRST_MS;

  constructor(options: PlanOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#freeAt = Array.from({ length: options.slots }, () => 0);
  }

  plan(): readonly Fault[] {
    const { slots } = this.#options;
    const calm = calmMs(this.#options.durationMs);
    const durationMs = this.#options.durationMs - calm;
    const segments = segmentsOf(durationMs);
    const first = this.#random.whole(0, slots);
    for (let segment = 0; segment < segments; segment++) {
      const spared = slots > 1 ? (first + segment) % slots : -1;
      if (segment > 0) this.#all((segment * durationMs) / segments, segment % 2 === 1 ? "rolling" : "blackout");
      const end = ((segment + 1) * durationMs) / segments;
      while (this.#nowMs < end) this.#one(spared);
    }
    return this.#faults.filter(({ atMs }) => atMs < durationMs);
  }

  #all(atMs: number, kind: "rolling" | "blackout"): void {
    const { slots } = this.#options;
    this.#nowMs = Math.max(atMs, this.#nowMs);
    const downMs = this.#random.whole(500, 4_000);
    this.#faults.push(kind === "rolling" ? { kind, atMs: this.#nowMs } : { kind, atMs: this.#nowMs, downMs });
    this.#nowMs += kind === "rolling" ? slots * ROLLING_MS_PER_SLOT : downMs + RECOVERY_MS;
  }

  #one(spared: number): void {
    const kind = this.#draw();
    if (kind === "broker-restart" || kind === "broker-kill" || kind === "broker-pause") this.#broker(kind);
    else this.#process(kind as "kill" | "drain" | "stall", spared);
    this.#nowMs += this.#random.whole(3_000, 12_000);
  }

  #draw(): FaultKind {
    if (this.#bag.length === 0) {
      this.#bag = this.#random.shuffled(this.#options.brokerFaults ? [...BAG, ...BROKER_BAG] : BAG);
    }
    return this.#bag.pop() ?? "kill";
  }

  /** The broker's faults wait until all processes are well, so that what follows can be told apart. */
  #broker(kind: "broker-restart" | "broker-kill" | "broker-pause"): void {
    const atMs = Math.max(this.#nowMs, ...this.#freeAt);
    const downMs = this.#random.whole(1_000, kind === "broker-pause" ? 9_000 : 5_000);
    this.#faults.push(kind === "broker-restart" ? { kind, atMs } : { kind, atMs, downMs });
    this.#nowMs = atMs + downMs + BROKER_RECOVERY_MS;
  }

  #process(kind: "kill" | "drain" | "stall", spared: number): void {
    const slots = this.#random.shuffled(this.#freeAt.map((_, slot) => slot)).filter((slot) => slot !== spared);
    const free = slots.reduce((best, slot) => ((this.#freeAt[slot] ?? 0) < (this.#freeAt[best] ?? 0) ? slot : best));
    const slot = slots.find((each) => (this.#freeAt[each] ?? 0) <= this.#nowMs) ?? free;
    const atMs = Math.max(this.#nowMs, this.#freeAt[slot] ?? 0);
    const downMs = this.#random.whole(0, 8_000);
    const stallMs = this.#options.sessionTimeoutMs + this.#random.whole(1_500, 6_000);
    this.#faults.push(kind === "stall" ? { kind, atMs, slot, stallMs } : { kind, atMs, slot, downMs });
    this.#freeAt[slot] = atMs + (kind === "stall" ? stallMs : downMs) + RECOVERY_MS;
    this.#nowMs = atMs;
  }
}

/** All faults of a run, in order of time: a pure function of its options, so that a seed repeats them. */
export const planFaults = (options: PlanOptions): readonly Fault[] => new Planner(options).plan();
