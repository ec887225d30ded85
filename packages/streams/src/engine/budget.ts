import { host, nextTurn } from "./host.js";

/** The longest that streams hold the event loop in one of its turns. */
const LONGEST_MS = 2;

/** The shortest slice; a turn of the event loop costs a tenth of it. */
const SHORTEST_MS = 0.02;

/** Runs that wait get their next slices within this time, if slices of the shortest length allow it. */
const ROUND_MS = 20;

/** Growth of slices per turn when no other run is woken in between: a stream may wait for many turns, not just one. */
const GROWTH = 1.125;

/** Elements between two looks at the clock (a look costs about 50 ns); starts at one, grows while elements are fast. */
const MAX_STRIDE = 1024;

/** Elements after which a run yields if it must not read the machine's clock. */
const COUNTED_ELEMENTS = 1024;

/** Runs that wait for a slice, each once. */
const queue: TimeShare[] = [];
let ticking = false;
let turnStart = 0;
/** How long the slice of the next turn may be, and of this one. */
let hold = LONGEST_MS;
let slice = LONGEST_MS;
/** The run that has the slice of this turn. */
let owner: TimeShare | undefined;
/** The run that works now, as far as is known. */
let current: TimeShare | undefined;
let lastLook = 0;
/** What runs without the slice did in this turn: they were woken, by a promise, a timer or input. */
let visited = false;
let visitsMs = 0;
let stride = 1;
let credit = 1;

/**
 * The part of one run in the time of the event loop. A run that is woken works at once. One that has had its time waits
 * in a queue, of which each turn of the event loop serves the first: so every run has its slices, however many are
 * busy. While others are woken between the slices, these are no longer than what the others use; else a stream that
 * needs a turn for each element would have one element per slice.
 *
 * A `counted` run yields by the number of its elements instead, so it takes the same steps however fast the machine is.
 */
export class TimeShare {
  readonly #counted: boolean;
  #elements = 0;
  #tasks: (() => void)[] = [];
  #waits = false;
  #workedMs = 0;
  #usedMs = 0;

  constructor(counted: boolean = false) {
    this.#counted = counted;
  }

  /** Counts `elements` of work done and answers whether the caller has to go on `later`. */
  spent(elements: number): boolean {
    if (this.#counted) return this.#count(elements);
    if (this !== current) TimeShare.#enter(this);
    credit -= elements;
    if (credit > 0) return false;
    const tookMs = TimeShare.#look(host.performance.now());
    const limitMs = this === owner ? slice : LONGEST_MS;
    if (tookMs > limitMs / 4) stride = Math.max(1, stride >> 2);
    else if (tookMs < limitMs / 16) stride = Math.min(MAX_STRIDE, stride << 1);
    credit = stride;
    if (!this.#isOver()) return false;
    current = undefined;
    return true;
  }

  #count(elements: number): boolean {
    this.#elements += elements;
    if (this.#elements < COUNTED_ELEMENTS) return false;
    this.#elements = 0;
    return true;
  }

  /** Runs `f` in a slice of this run, in a later turn of the event loop. */
  later(f: () => void): void {
    if (this.#counted) {
      nextTurn(f);
      return;
    }
    this.#tasks.push(f);
    this.#wait();
  }

  /** How long this run has worked, in ms, as far as it can be distinguished from others. */
  worked(): number {
    if (this.#counted) return 0;
    if (this === current) TimeShare.#look(host.performance.now());
    else TimeShare.#enter(this);
    if (this.#isOver()) credit = 0;
    return this.#workedMs;
  }

  /** How long slices are at present, in ms. */
  get sliceMs(): number {
    return slice;
  }

  /** Something came from outside that had to wait for this run: slices get shorter, as they do when other runs are woken. */
  visited(): void {
    if (owner) visited = true;
  }

  #isOver(): boolean {
    if (this === owner) return this.#usedMs > slice;
    return visitsMs > (owner ? LONGEST_MS / 2 : LONGEST_MS);
  }

  #wait(): void {
    if (this.#waits) return;
    this.#waits = true;
    queue.push(this);
    TimeShare.#schedule();
  }

  /** What was put off, oldest first, until the slice is spent. */
  #work(): void {
    this.#waits = false;
    this.#usedMs = 0;
    const tasks = this.#tasks;
    this.#tasks = [];
    let next = 0;
    try {
      while (next < tasks.length && !this.#isOver()) tasks[next++]?.();
    } finally {
      if (next < tasks.length) {
        this.#tasks = [...tasks.slice(next), ...this.#tasks];
        this.#wait();
      }
    }
  }

  static #schedule(): void {
    if (ticking) return;
    ticking = true;
    nextTurn(TimeShare.#tick);
  }

  /** Another run works from now on; nothing is known yet of how slow its elements are. */
  static #enter(share: TimeShare): void {
    const now = host.performance.now();
    if (current) TimeShare.#look(now);
    if (owner && share !== owner) visited = true;
    if (!owner && !current) TimeShare.#schedule();
    current = share;
    lastLook = now;
    stride = 1;
    credit = share.#isOver() ? 0 : 1;
  }

  /** What passed since the last look is the work of the current run. */
  static #look(now: number): number {
    const tookMs = now - lastLook;
    lastLook = now;
    const share = current as TimeShare;
    share.#workedMs += tookMs;
    if (share === owner) share.#usedMs += tookMs;
    else visitsMs += tookMs;
    return tookMs;
  }

  /** A turn of the event loop: the next one in the queue has its slice. */
  static readonly #tick = (): void => {
    ticking = false;
    const now = host.performance.now();
    if (current) TimeShare.#look(now);
    if (owner) TimeShare.#adapt(now - turnStart - owner.#usedMs);
    turnStart = lastLook = now;
    visited = false;
    visitsMs = 0;
    stride = credit = 1;
    slice = Math.min(hold, Math.max(SHORTEST_MS, ROUND_MS / queue.length));
    owner = current = queue.shift();
    if (!owner) {
      hold = LONGEST_MS;
      return;
    }
    // What is woken meanwhile comes after this turn.
    TimeShare.#schedule();
    owner.#work();
  };

  static #adapt(othersMs: number): void {
    if (visited) hold = Math.min(Math.max(othersMs, SHORTEST_MS), LONGEST_MS / 2);
    else hold = Math.min(hold * GROWTH, LONGEST_MS);
  }
}
