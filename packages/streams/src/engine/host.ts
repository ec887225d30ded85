/** The five things the engine takes from its host, named here so that the core needs neither Node's nor a browser's types. */
interface Host {
  readonly performance: { now(): number };
  readonly Date: { now(): number };
  setImmediate?: (f: () => void) => unknown;
  setTimeout: (f: () => void, delayMs: number) => unknown;
  clearTimeout: (handle: unknown) => void;
  readonly console: { log(...values: unknown[]): void; error(...values: unknown[]): void };
}

export const host: Host = globalThis as unknown as Host;

/** Runs `f` in a later turn of the event loop, after timers and input have had theirs. */
export const nextTurn: (f: () => void) => void = host.setImmediate
  ? (f) => void host.setImmediate?.(f)
  : (f) => void host.setTimeout(f, 0);

const settled: Promise<void> = Promise.resolve();

/** Runs `f` once the current call stack is empty; a shared settled promise is the cheapest way (about 25 ns). */
export const soon = (f: () => void): void => {
  void settled.then(f);
};
