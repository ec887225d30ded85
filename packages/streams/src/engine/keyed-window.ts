import { promiseOf } from "./answer.js";
import { CallWindow } from "./call-window.js";
import type { Pull } from "../model/pull.js";
import { ReorderRing } from "./reorder-ring.js";
import type { Run } from "./run.js";

/** What a keyed window runs, and its bounds. */
export interface KeyedWork<in In, Key, out Out> {
  /** Calls open at a time. */
  readonly parallelism: number;
  /** Elements that may wait for the open call of their key. */
  readonly waiting: number;
  readonly key: (element: In) => Key;
  readonly f: (element: In, key: Key) => Out | PromiseLike<Out>;
}

/** An element that waits for its key. */
interface Waiting<In> {
  readonly element: In;
  readonly place: number;
  next: Waiting<In> | undefined;
}

/** A key with an open call, and the elements that wait for it in input order; used again for another key when idle. */
interface Lane<In, Key, Out> {
  key: Key | undefined;
  /** The place of the open call's result in the output. */
  place: number;
  first: Waiting<In> | undefined;
  last: Waiting<In> | undefined;
  readonly onResolved: (value: Out) => void;
  readonly onRejected: (error: unknown) => void;
}

/**
 * At most one open call of a user function per key, and at most `parallelism` in all. An element whose key is busy
 * waits in that key's lane, so that it does not hold back others; a key with waiting elements always has an open call,
 * so work is never searched for: the call that settles says which lane goes on. A settling promise only stores its
 * result; one shared microtask per round then starts calls and wakes downstream. The life of an element:
 *
 *     input ── key free, fewer than `parallelism` lanes ─────────▶ called ──▶ settled ──▶ ready
 *        └──── key busy, fewer than `waiting` ──▶ waits in lane ──────▲
 */
abstract class KeyedWindow<In, Key, Out> extends CallWindow<In, Out> {
  protected readonly work: KeyedWork<In, Key, Out>;
  readonly #lanes = new Map<Key, Lane<In, Key, Out>>();
  readonly #idle: Lane<In, Key, Out>[] = [];
  /** Lanes whose call has settled and that may go on. */
  #settled: Lane<In, Key, Out>[] = [];
  #waiting = 0;
  /** The key of the next input, which is computed already: there was no room for it to wait. */
  #held: { readonly key: Key } | undefined;
  /** The time budget is spent: no lane goes on before the next turn of the event loop. */
  #rests = false;
  readonly #onTurn = (): void => {
    this.#rests = false;
    this.poke();
  };

  constructor(upstream: Pull<In>, run: Run, work: KeyedWork<In, Key, Out>) {
    super(upstream, run);
    this.work = work;
  }

  /** Whether one more element may be taken in. */
  protected abstract hasRoom(): boolean;
  /** The place of the next input in the output. */
  protected abstract reserve(): number;
  protected abstract put(place: number, value: Out): void;
  /** Nothing comes out at this place. */
  protected abstract drop(place: number): void;

  protected advance(): void {
    const { input } = this;
    this.#goOn();
    while (!this.stopped && this.#lanes.size + this.waitingResults < this.work.parallelism && this.hasRoom()) {
      if (input.left === 0 && !this.takeInput()) return;
      if (!this.#admit(input.peek())) return;
      input.next();
    }
  }

  protected drained(): boolean {
    return this.#lanes.size === 0 && this.input.left === 0;
  }

  protected override idle(): boolean {
    return this.drained();
  }

  /** Calls, or lets wait; answers whether there was room for it. */
  #admit(element: In): boolean {
    let key: Key;
    try {
      key = this.#held ? this.#held.key : this.work.key(element);
    } catch (error) {
      this.supervise(error, element);
      return true;
    }
    const lane = this.#lanes.get(key);
    if (!lane) {
      this.#begin(key, element);
    } else if (this.#waiting < this.work.waiting) {
      this.#enqueue(lane, { element, place: this.reserve(), next: undefined });
    } else {
      this.#held ??= { key };
      return false;
    }
    this.#held = undefined;
    return true;
  }

  #enqueue(lane: Lane<In, Key, Out>, waiting: Waiting<In>): void {
    if (lane.last) lane.last.next = waiting;
    else lane.first = waiting;
    lane.last = waiting;
    this.#waiting += 1;
  }

  /** The first call of a key that is free. */
  #begin(key: Key, element: In): void {
    const place = this.reserve();
    const promise = this.#call(key, element, place);
    if (!promise) return;
    const lane = this.#idle.pop() ?? this.#newLane();
    lane.key = key;
    this.#lanes.set(key, lane);
    this.#follow(lane, place, promise);
  }

  /** Starts the next call of every key whose call has settled, or forgets the key. */
  #goOn(): void {
    if (this.#rests || this.#settled.length === 0) return;
    const settled = this.#settled;
    this.#settled = [];
    for (const lane of settled) {
      if (this.#rests) this.#settled.push(lane);
      else this.#goOnIn(lane);
    }
  }

  #goOnIn(lane: Lane<In, Key, Out>): void {
    while (!this.stopped) {
      const { first } = lane;
      if (!first) {
        this.#lanes.delete(lane.key as Key);
        lane.key = undefined;
        this.#idle.push(lane);
        return;
      }
      // Calls that end at once would follow one another without anything else having a turn.
      if (this.run.share.spent(1)) {
        this.#rests = true;
        this.#settled.push(lane);
        this.run.share.later(this.#onTurn);
        return;
      }
      lane.first = first.next;
      if (!lane.first) lane.last = undefined;
      this.#waiting -= 1;
      const promise = this.#call(lane.key as Key, first.element, first.place);
      if (promise) {
        this.#follow(lane, first.place, promise);
        return;
      }
    }
  }

  /** The promise of an open call; or none, when it has ended already. */
  #call(key: Key, element: In, place: number): Promise<Out> | undefined {
    try {
      const result = this.work.f(element, key);
      const promise = promiseOf(result);
      if (!promise) this.put(place, result as Out);
      return promise;
    } catch (error) {
      if (this.supervise(error, element)) this.drop(place);
      return undefined;
    }
  }

  #follow(lane: Lane<In, Key, Out>, place: number, promise: Promise<Out>): void {
    lane.place = place;
    promise.then(lane.onResolved, lane.onRejected);
  }

  #newLane(): Lane<In, Key, Out> {
    const lane: Lane<In, Key, Out> = {
      key: undefined,
      place: 0,
      first: undefined,
      last: undefined,
      onResolved: (value) => {
        if (this.stopped) return;
        this.put(lane.place, value);
        this.#settle(lane);
      },
      onRejected: (error) => {
        if (!this.supervise(error)) return;
        this.drop(lane.place);
        this.#settle(lane);
      },
    };
    return lane;
  }

  #settle(lane: Lane<In, Key, Out>): void {
    this.#settled.push(lane);
    this.pokeSoon();
  }
}

/**
 * Results leave in input order, through a ring with a place for every element that is open or waits; an element behind an
 * unfinished one keeps its place until that one has left.
 */
export class OrderedKeyedWindow<In, Key, Out> extends KeyedWindow<In, Key, Out> {
  readonly #places: number;
  readonly #ring: ReorderRing<Out>;

  constructor(upstream: Pull<In>, run: Run, work: KeyedWork<In, Key, Out>) {
    super(upstream, run, work);
    this.#places = work.parallelism + work.waiting;
    this.#ring = new ReorderRing(this.#places);
  }

  protected hasRoom(): boolean {
    return this.#ring.size + this.waitingResults < this.#places;
  }

  protected reserve(): number {
    return this.#ring.reserve();
  }

  protected put(place: number, value: Out): void {
    this.#ring.put(place, value);
    if (this.#ring.isFirst(place)) this.#ring.collect(this.ready);
  }

  protected drop(place: number): void {
    this.#ring.drop(place);
    if (this.#ring.isFirst(place)) this.#ring.collect(this.ready);
  }
}

/** Results leave as they come. */
export class UnorderedKeyedWindow<In, Key, Out> extends KeyedWindow<In, Key, Out> {
  protected hasRoom(): boolean {
    return true;
  }

  protected reserve(): number {
    return 0;
  }

  protected put(_place: number, value: Out): void {
    this.ready.push(value);
  }

  protected drop(): void {}
}
