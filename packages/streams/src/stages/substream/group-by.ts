import type { Blueprint } from "../../blueprint/blueprint.js";
import { AsyncPull } from "../../engine/async-pull.js";
import { Channel } from "../../engine/channel.js";
import { Inlet } from "../../engine/inlet.js";
import { materializeFlow } from "../../engine/materialize.js";
import type { Chunk, Pull } from "../../engine/pull.js";
import type { Run } from "../../engine/run.js";
import type { Stage } from "../../engine/stage.js";
import { StreamError } from "../../errors.js";

export interface GroupByOptions<in A> {
  readonly maxSubstreams: number;
  readonly key: (element: A) => unknown;
  /** The flow each group runs through. */
  readonly flow: Blueprint;
}

interface Group<A, B> {
  readonly channel: Channel<A>;
  readonly outlet: Inlet<B>;
}

/** Elements that may wait in front of busy groups before upstream is left alone: a blocked group blocks all at this point. */
const WAITING_ELEMENTS = 1024;

/** Splits by key into one flow per group and merges what the groups emit. */
class GroupBy<A, B> extends AsyncPull<A, B> {
  readonly #run: Run;
  readonly #options: GroupByOptions<A>;
  readonly #groups = new Map<unknown, Group<A, B>>();
  #open: Group<A, B>[] = [];
  #completed = false;

  constructor(upstream: Pull<A>, run: Run, options: GroupByOptions<A>) {
    super(upstream);
    this.#run = run;
    this.#options = options;
  }

  protected advance(): void {
    while (!this.stopped) {
      this.#gather();
      if (this.ready.length > 0 || this.#waiting() >= WAITING_ELEMENTS) return;
      const chunk = this.take();
      if (!chunk) break;
      this.#route(chunk);
    }
    if (!this.upstreamDone || this.#completed || this.stopped) return;
    this.#completed = true;
    for (const group of this.#open) group.channel.complete();
    this.#gather();
  }

  /** One round over the groups: each gives what it has. */
  #gather(): void {
    let ended = false;
    for (const group of this.#open) {
      try {
        for (let chunk = group.outlet.take(); chunk; chunk = group.outlet.take()) {
          for (const element of chunk) this.ready.push(element);
        }
      } catch (error) {
        this.fail(error);
        return;
      }
      ended ||= group.outlet.done;
    }
    if (ended) this.#open = this.#open.filter((group) => !group.outlet.done);
  }

  #waiting(): number {
    let elements = 0;
    for (const group of this.#open) elements += group.channel.size;
    return elements;
  }

  #route(chunk: Chunk<A>): void {
    for (const element of chunk) {
      try {
        this.#group(this.#options.key(element)).channel.offer(element);
      } catch (error) {
        if (error instanceof StreamError || this.#run.decide(error) === "stop") {
          this.#gather();
          this.fail(error);
          return;
        }
      }
    }
  }

  #group(key: unknown): Group<A, B> {
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size === this.#options.maxSubstreams) {
      throw new StreamError(
        "TOO_MANY_SUBSTREAMS",
        `groupBy: a key beyond the ${this.#options.maxSubstreams} allowed was seen; raise maxSubstreams or use a coarser key`,
      );
    }
    const channel = new Channel<A>();
    const flow = materializeFlow<A, B>(this.#options.flow, channel, this.#run);
    const group = { channel, outlet: new Inlet(flow, () => this.pokeSoon()) };
    this.#groups.set(key, group);
    this.#open.push(group);
    return group;
  }

  protected drained(): boolean {
    return this.#completed && this.#open.length === 0;
  }

  protected override onClose(cause: unknown): void {
    for (const group of this.#open) group.outlet.cancel(cause);
    this.#open = [];
  }
}

export const groupBy = <A, B>(options: GroupByOptions<A>): Stage<A, B> => ({
  name: "groupBy",
  create: (upstream, run) => new GroupBy(upstream, run, options),
});
