import { host } from "./host.js";

export interface Cancellable {
  cancel(): void;
}

/** Where stages take time from; the test kit has a virtual one. */
export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number;
  schedule(delayMs: number, f: () => void): Cancellable;
}

/** Time of the machine. */
export const systemClock: Clock = {
  now: () => host.performance.now(),
  schedule(delayMs, f) {
    const handle = host.setTimeout(f, delayMs);
    return { cancel: () => host.clearTimeout(handle) };
  },
};
