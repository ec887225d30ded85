import { nextTurn } from "@millrace/streams/stage";
import { restoreTime } from "./machine-time.js";

/** Time that passes only where a test says so, so that nothing depends on how busy the machine is. */
export interface SpunTime {
  now(): number;
  /** As a function that takes so long. */
  spend(ms: number): void;
}

const turn = (): Promise<void> => new Promise((resolve) => nextTurn(resolve));

/** The engine forgets what it measured by the other clock. */
const settled = async (): Promise<void> => {
  for (let turns = 0; turns < 3; turns++) await turn();
};

/** Runs `body` with the engine's clock in its hands; turns of the event loop are real. */
export const withSpunTime = async <A>(body: (time: SpunTime) => Promise<A>): Promise<A> => {
  let now = performance.now();
  const spun = (): number => now;
  Object.defineProperty(performance, "now", { configurable: true, value: spun });
  try {
    await settled();
    return await body({
      now: () => now,
      spend(ms) {
        now += ms;
      },
    });
  } finally {
    // It may be another test's by now.
    if (performance.now === spun) restoreTime();
    await settled();
  }
};

/**
 * The longest that streams may hold the event loop in one of its turns: the one whose turn it is and those that are woken
 * in it have 2 ms each, and what passes until they look at the clock.
 */
export const LONGEST_TURN_MS = 5;

/** What the turns of the event loop took, in ms: each of them, the longest, and all together. */
export interface Turns {
  readonly each: readonly number[];
  readonly longest: number;
  readonly all: number;
}

/** The turns until what `run` has begun is over. */
export const turnsOf = (run: (time: SpunTime) => PromiseLike<unknown>): Promise<Turns> =>
  withSpunTime(async (time) => {
    const start = time.now();
    let ended = false;
    const each: number[] = [];
    let before = start;
    const done = Promise.resolve(run(time)).finally(() => {
      ended = true;
    });
    while (!ended) {
      await turn();
      each.push(time.now() - before);
      before = time.now();
    }
    await done;
    return { each, longest: Math.max(...each), all: before - start };
  });
