import { VirtualClock } from "@millrace/streams-testkit";

/**
 * Runs `f` with a virtual clock, on which the machine's timers go as well: a Kafka source polls and retries by them,
 * whatever clock its stream was given.
 */
export const onVirtualTime = async <T>(f: (clock: VirtualClock) => Promise<T>): Promise<T> => {
  const clock = new VirtualClock();
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Map<object, { cancel(): void }>();
  const set = (run: () => void, ms = 0): object => {
    const handle = {};
    timers.set(handle, clock.schedule(ms, run));
    return handle;
  };
  const clear = (handle: object): void => timers.get(handle)?.cancel();
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  Object.defineProperty(performance, "now", { value: () => clock.now(), configurable: true });
  try {
    return await f(clock);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    Reflect.deleteProperty(performance, "now");
  }
};

/** Lets time pass until `holds`; fails with `what` when that takes longer than `withinMs`. */
export const passUntil = async (
  clock: VirtualClock,
  holds: () => boolean,
  what: string,
  withinMs = 60_000,
  stepMs = 5,
): Promise<void> => {
  const deadline = clock.now() + withinMs;
  while (!holds()) {
    if (clock.now() >= deadline) throw new Error(`expected ${what} within ${withinMs} simulated ms`);
    await clock.advance(stepMs);
  }
};

/** The result of a promise for which time has to pass. */
export const passing = async <T>(
  clock: VirtualClock,
  promise: Promise<T>,
  what: string,
  withinMs?: number,
): Promise<T> => {
  let settled = false;
  const ended = (): void => {
    settled = true;
  };
  promise.then(ended, ended);
  await passUntil(clock, () => settled, what, withinMs);
  return promise;
};
