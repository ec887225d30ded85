import { errorText } from "./error-text.js";
import { Life, type LifeListener } from "./life.js";
import type { Steering } from "./materialised.js";
import type { Steered } from "./user-steps.js";

/** A life and what steers its graph. */
export interface Process {
  readonly life: Life;
  readonly steering: Steering;
}

export interface SupervisorOptions {
  readonly processes: number;
  readonly now: () => number;
  /** Runs the pipeline; `onFailure` gets what its promises are rejected with. */
  readonly start: (life: Life, onFailure: (error: unknown) => void) => Steering;
  readonly onStep: LifeListener["onStep"];
  readonly later: (ms: number, f: () => void) => void;
  /** Takes the life away. */
  readonly end: (life: Life) => void;
  readonly note: (text: string) => void;
  /** Its drain has resolved. */
  readonly onDrained: (life: Life, report: unknown) => void;
  /** How long a process that died, or left, stays away. */
  readonly drawAwayMs: () => number;
}

interface Slot {
  readonly number: number;
  process: Process | undefined;
  lives: number;
  startAt: number;
}

/** How long a process whose stream ended by itself stays away. */
const RESTART_MS = 100;
/** How long a process that leaves in the middle of its work may take: longer than all effects one after the other. */
const LEAVE_MS = 100_000;
/** How long a failed stream may take to close its clients. */
const FAILED_MS = 10_000;

/** Keeps the processes running: a life that ends is followed by another, which knows only what is committed. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  readonly #lives = new Map<string, Life>();
  readonly #draining = new Set<Promise<void>>();
  readonly #failures = new Map<Life, unknown>();
  /** What drains have failed with, though nothing disturbed them. */
  readonly failedDrains: unknown[] = [];
  /** The same of processes that left in the middle of their work. */
  readonly failedLeaves: unknown[] = [];
  /** Lives that ended by themselves. */
  restarts = 0;
  lastFailure: unknown;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.processes }, (_, index) => ({
      number: index + 1,
      process: undefined,
      lives: 0,
      startAt: 0,
    }));
  }

  /** What a user may steer the life by. */
  controlOf(life: Life): Steered | undefined {
    return this.#slotOf(life)?.process?.steering.control;
  }

  /** The lives that are under way. */
  get present(): readonly Life[] {
    return this.#slots.flatMap(({ process }) => process?.life ?? []);
  }

  life(name: string): Life | undefined {
    return this.#lives.get(name);
  }

  /** Starts what is due. */
  tend(): void {
    for (const slot of this.#slots) if (!slot.process && this.#options.now() >= slot.startAt) this.#start(slot);
  }

  killed(life: Life): void {
    life.kill();
    const slot = this.#slotOf(life);
    if (slot) this.#vacate(slot, this.#options.drawAwayMs());
  }

  /**
   * It drains and leaves, if its materialised value can do that; another life follows. `alone`: once it has left, so
   * that no other takes over any of its work.
   */
  leave(life: Life, alone: boolean): void {
    const slot = this.#slotOf(life);
    const drain = slot?.process?.steering.drain;
    if (!slot || !drain) return;
    this.#options.note(`${life.name} drains and leaves`);
    const awayMs = this.#options.drawAwayMs();
    this.#vacate(slot, alone ? Number.POSITIVE_INFINITY : awayMs);
    const left = this.#drain(life, () => drain({ timeoutMs: LEAVE_MS }), this.failedLeaves);
    if (!alone) return;
    void left.then(() => {
      if (!slot.process) slot.startAt = this.#options.now() + awayMs;
    });
  }

  /** Drains all that can be drained; `allDrained` says when that is done. */
  drainAll(): void {
    for (const slot of this.#slots) {
      const drain = slot.process?.steering.drain;
      if (!slot.process || !drain) continue;
      const { life } = slot.process;
      this.#vacate(slot, Number.POSITIVE_INFINITY);
      void this.#drain(life, drain, this.failedDrains);
    }
  }

  get allDrained(): boolean {
    return this.#draining.size === 0;
  }

  /** Lets those that were drained start again. */
  reopen(): void {
    for (const slot of this.#slots) slot.startAt = Math.min(slot.startAt, this.#options.now());
  }

  /** Ends what is left. */
  endAll(): void {
    for (const life of this.#lives.values()) if (!life.ended) this.#options.end(life);
  }

  explain(): string {
    return this.#slots.flatMap(({ process }) => process?.steering.explain() ?? []).join("\n");
  }

  #start(slot: Slot): void {
    slot.lives += 1;
    const life = new Life(`p${slot.number}.${slot.lives}`, {
      onStep: (each, text) => this.#options.onStep(each, text),
      onEnded: (each) => this.#onEnded(each),
    });
    this.#lives.set(life.name, life);
    const steering = this.#options.start(life, (error) => this.#onFailure(life, error));
    slot.process = { life, steering };
    const { restarting } = steering;
    if (!restarting) return;
    life.opened();
    const ended = (): void => life.closed();
    restarting.ended.then(ended, ended);
    // A dead process begins nothing again.
    life.onKilled(() => void restarting.stop());
  }

  #drain(life: Life, drain: () => Promise<unknown>, failed: unknown[]): Promise<unknown> {
    const drained = drain()
      .then(
        (report) => {
          if (!life.dead) this.#options.onDrained(life, report);
        },
        (error: unknown) => {
          if (!life.dead) failed.push(error);
        },
      )
      .finally(() => void this.#draining.delete(drained));
    // A process that dies meanwhile has drained as far as it ever will.
    const ended = Promise.race([drained, life.death]).catch(() => undefined);
    this.#draining.add(drained);
    return ended.then(() => this.#draining.delete(drained));
  }

  /** A stream that fails closes its clients; where something else holds them, the process is ended from outside. */
  #onFailure(life: Life, error: unknown): void {
    this.#failures.set(life, error);
    // Its clients may have closed before.
    if (life.ended && !life.dead) {
      this.lastFailure = error;
      this.#options.note(`${life.name} has failed: ${errorText(error)}`);
    }
    this.#options.later(FAILED_MS, () => {
      if (!life.ended) this.#options.end(life);
      this.#onEnded(life);
    });
  }

  #onEnded(life: Life): void {
    const slot = this.#slotOf(life);
    if (!slot) return;
    this.#vacate(slot, RESTART_MS);
    this.restarts += 1;
    // The promise of the stream is rejected in the same turn, or has been.
    queueMicrotask(() => {
      this.lastFailure = this.#failures.get(life);
      const how = this.#failures.has(life) ? `has failed: ${errorText(this.lastFailure)}` : "has ended by itself";
      this.#options.note(`${life.name} ${how}`);
    });
  }

  #slotOf(life: Life): Slot | undefined {
    return this.#slots.find(({ process }) => process?.life === life);
  }

  #vacate(slot: Slot, awayMs: number): void {
    slot.process = undefined;
    slot.startAt = this.#options.now() + awayMs;
  }
}
