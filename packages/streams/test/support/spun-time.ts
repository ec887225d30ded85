import { nextTurn } from "@millrace/streams/stage";

/** Time that passes only where a test says so, so that nothing depends on how busy the machine is. */
export interface SpunTime {
  now(): number;
  /** As a function that takes so long. */
  spend(ms: number): void;
}

/** The engine forgets what it measured by the other clock. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => nextTurn(resolve));
};

/** Runs `body` with the engine's clock in its hands; turns of the event loop are real. */
export const withSpunTime = async <A>(body: (time: SpunTime) => Promise<A>): Promise<A> => {
  const real = Object.getOwnPropertyDescriptor(performance, "now");
  let now = performance.now();
  Object.defineProperty(performance, "now", { configurable: true, value: () => now });
  try {
    await settled();
    return await body({
      now: () => now,
      spend(ms) {
        now += ms;
      },
    });
  } finally {
    if (real) Object.defineProperty(performance, "now", real);
    else Reflect.deleteProperty(performance, "now");
    await settled();
  }
};
