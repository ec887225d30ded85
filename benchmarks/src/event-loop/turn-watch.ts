import { closeSync, openSync, readSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";

const TICK_MS = 1;

export interface Turns {
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The longest without what the thread waited for a processor in it; absent where the system does not tell. */
  readonly longestOwnMs?: number;
  /** The most that the thread worked between two looks at the clock. */
  readonly longestWorkMs?: number;
  readonly longestGcMs: number;
}

/** What Linux says of the main thread, in milliseconds: how long it ran, and how long it waited for a processor. */
class ThreadTimes {
  #fd: number | undefined;
  readonly #buffer = Buffer.alloc(100);

  constructor() {
    try {
      this.#fd = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
    } catch {
      this.#fd = undefined;
    }
  }

  get now(): { readonly ranMs: number; readonly waitedMs: number } | undefined {
    if (this.#fd === undefined) return undefined;
    const length = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, 0);
    const [ran, waited] = this.#buffer.toString("latin1", 0, length).split(" ");
    return { ranMs: Number(ran) / 1e6, waitedMs: Number(waited) / 1e6 };
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

/** How long the event loop did not come round, and what of that was the garbage collector or the machine. */
export class TurnWatch {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: TICK_MS });
  readonly #times = new ThreadTimes();
  readonly #collections: PerformanceObserver;
  readonly #timer: NodeJS.Timeout;
  #longestGcMs = 0;
  #longestOwnMs = 0;
  #longestWorkMs = 0;

  constructor() {
    this.#collections = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#longestGcMs = Math.max(this.#longestGcMs, duration);
    });
    this.#collections.observe({ entryTypes: ["gc"] });
    this.#histogram.enable();
    let last = performance.now();
    let before = this.#times.now;
    this.#timer = setInterval(() => {
      const now = performance.now();
      const times = this.#times.now;
      if (times !== undefined && before !== undefined) {
        this.#longestOwnMs = Math.max(this.#longestOwnMs, now - last - TICK_MS - (times.waitedMs - before.waitedMs));
        this.#longestWorkMs = Math.max(this.#longestWorkMs, times.ranMs - before.ranMs);
      }
      last = now;
      before = times;
    }, TICK_MS);
  }

  async close(): Promise<Turns> {
    clearInterval(this.#timer);
    this.#histogram.disable();
    // Observers are told of collections in a later turn.
    await new Promise((resolve) => setTimeout(resolve, 10));
    this.#collections.disconnect();
    const turns = {
      p99Ms: this.#histogram.percentile(99) / 1e6 - TICK_MS,
      maxMs: this.#histogram.max / 1e6 - TICK_MS,
      ...(this.#times.now && { longestOwnMs: this.#longestOwnMs, longestWorkMs: this.#longestWorkMs }),
      longestGcMs: this.#longestGcMs,
    };
    this.#times.close();
    return turns;
  }
}
