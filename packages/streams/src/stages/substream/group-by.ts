import type { Blueprint, SubstreamStage } from "../../model/blueprint.js";
import { AsyncPull } from "../../engine/async-pull.js";
import { Channel } from "../../engine/channel.js";
import { Inlet } from "../../engine/inlet.js";
import { materializeFlow } from "../../engine/materialize.js";
import type { Chunk, Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import { StreamError } from "../../errors.js";

export interface GroupByOptions<in A> {
  readonly maxSubstreams: number;
  readonly key: (element: A) => unknown;
  /** The flow each group runs through. */
  readonly flow: Blueprint;
  /** No element of this key comes any more. Asked when a new key is seen: the group completes, and makes room. */
  readonly isOver?: (key: unknown) => boolean;
}

interface Group<A, B> {
  readonly channel: Channel<A>;
  readonly outlet: Inlet<B>;
}

/** Elements that may wait in front of busy groups before upstream is left alone: a blocked group blocks all at this point. */
const WAITING_ELEMENTS = 1024;

/** Elements gathered from the groups before they are left alone: bounds what a group without end may give at a time. */
const READY_ELEMENTS = 1024;

/** Splits by key into one flow per group and merges what the groups emit. */
class GroupBy<A, B> extends AsyncPull<A, B> {
  readonly #run: Run;
  readonly #options: GroupByOptions<A>;
  readonly #groups = new Map<unknown, Group<A, B>>();
  readonly #open = new Set<Group<A, B>>();
  /** Groups that may have something to give: those that woke us, and new ones. */
  readonly #awake = new Set<Group<A, B>>();
  #waiting = 0;
  #completed = false;
  /** The time is up: no group gives anything before the next slice. */
  #rests = false;

  constructor(upstream: Pull<A>, run: Run, options: GroupByOptions<A>) {
    super(upstream, run);
    this.#run = run;
    this.#options = options;
  }

  protected advance(): void {
    // What downstream has not taken yet holds the groups back.
    if (this.ready.length === 0) this.#gather();
    if (this.#rests || this.ready.length > 0 || this.#waiting >= WAITING_ELEMENTS) return;
    const chunk = this.take();
    if (chunk) {
      this.#route(chunk);
      this.#gather();
      // Groups that have just been given something are woken before the next chunk is asked for.
      if (this.ready.length === 0) this.pokeSoon();
      return;
    }
    if (!this.upstreamDone || this.#completed || this.stopped) return;
    this.#completed = true;
    for (const group of this.#open) group.channel.complete();
    this.#gather();
  }

  /** Takes a chunk of every awake group in turn, until none has any, enough is ready, or the time is up. */
  #gather(): void {
    while (this.#awake.size > 0 && this.ready.length < READY_ELEMENTS) {
      for (const group of this.#awake) {
        if (this.#rests) return;
        let chunk: Chunk<B> | undefined;
        try {
          chunk = group.outlet.take();
        } catch (error) {
          this.fail(error);
          return;
        }
        if (!chunk) this.#awake.delete(group);
        else if (this.#run.share.spent(this.#give(chunk))) this.#rest();
        if (group.outlet.done) this.#open.delete(group);
      }
    }
  }

  #give(chunk: Chunk<B>): number {
    for (const element of chunk) this.ready.push(element);
    return chunk.length;
  }

  #rest(): void {
    this.#rests = true;
    this.#run.share.later(() => {
      this.#rests = false;
      this.poke();
    });
  }

  #route(chunk: Chunk<A>): void {
    for (const element of chunk) {
      try {
        this.#offer(this.#group(this.#options.key(element)), element);
      } catch (error) {
        const decision = error instanceof StreamError ? { error } : this.#run.decide(error, element);
        if (typeof decision === "object") {
          this.#gather();
          this.fail(decision.error);
          return;
        }
      }
    }
  }

  #offer(group: Group<A, B>, element: A): void {
    if (group.channel.closed) return;
    this.#waiting += 1;
    group.channel.offer(element);
  }

  /** A group has taken, or dropped, what waited in front of it, maybe without giving anything. */
  #taken(elements: number): void {
    const wasFull = this.#waiting >= WAITING_ELEMENTS;
    this.#waiting -= elements;
    if (wasFull) this.pokeSoon();
  }

  #group(key: unknown): Group<A, B> {
    const known = this.#groups.get(key);
    if (known) return known;
    this.#endOver();
    if (this.#groups.size === this.#options.maxSubstreams) {
      throw new StreamError(
        "TOO_MANY_SUBSTREAMS",
        `groupBy: a key beyond the ${this.#options.maxSubstreams} allowed was seen; raise maxSubstreams or use a coarser key`,
      );
    }
    const channel = new Channel<A>(this.#run, { onTaken: (elements) => this.#taken(elements) });
    const flow = materializeFlow<A, B>(this.#options.flow, channel, this.#run);
    const outlet = new Inlet(flow, () => {
      this.#awake.add(group);
      this.pokeSoon();
    });
    const group: Group<A, B> = { channel, outlet };
    this.#groups.set(key, group);
    this.#open.add(group);
    this.#awake.add(group);
    return group;
  }

  #endOver(): void {
    const { isOver } = this.#options;
    if (!isOver) return;
    for (const [key, { channel }] of this.#groups) {
      if (!isOver(key)) continue;
      this.#groups.delete(key);
      channel.complete();
    }
  }

  protected drained(): boolean {
    return this.#completed && this.#open.size === 0;
  }

  protected override onClose(cause: unknown): void {
    for (const group of this.#open) group.outlet.cancel(cause);
    this.#open.clear();
    this.#awake.clear();
  }
}

export const groupBy = <A, B>(options: GroupByOptions<A>): SubstreamStage<A, B> => ({
  name: "groupBy",
  traits: { order: "perKey", elements: "kept", key: options.key },
  substream: options.flow,
  create: (upstream, run) => new GroupBy(upstream, run, options),
});
