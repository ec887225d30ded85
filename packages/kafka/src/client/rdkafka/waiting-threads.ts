import { oncePerProcess } from "@millrace/streams/stage";

/** Between looks of a consumer that waits for records without a thread. */
const LOOK_MS = 10;

/** libuv's own default where `UV_THREADPOOL_SIZE` does not say otherwise. */
const POOL_SIZE = 4;

/**
 * A waiting poll holds one of libuv's few threads, on which files, names and the other clients of the process wait as well.
 * Half of them may be held; a consumer for which none is left looks every 10 ms, which holds a thread for microseconds.
 */
export class WaitingThreads {
  #free: number;

  constructor(poolSize: number) {
    this.#free = Math.max(1, Math.floor(poolSize / 2));
  }

  /** Waits by `look`, which holds a thread for `waitMs`, or by a timer; returns what it found, if anything. */
  async wait<T>(waitMs: number, look: (waitMs: number) => Promise<T[]>): Promise<T[]> {
    if (this.#free > 0) {
      this.#free -= 1;
      try {
        return await look(waitMs);
      } finally {
        this.#free += 1;
      }
    }
    const found = await look(0);
    if (found.length === 0) await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, LOOK_MS)));
    return found;
  }
}

/** Of all consumers of this process. */
export const waitingThreads: WaitingThreads = oncePerProcess(
  "kafka.waitingThreads",
  () => new WaitingThreads(Number(process.env["UV_THREADPOOL_SIZE"]) || POOL_SIZE),
);
