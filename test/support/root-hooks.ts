/**
 * What holds for every test: nothing rejects that nobody hears of, by the end of the test at the latest, and the clock is
 * the machine's again for the next one.
 */
import type { Context } from "mocha";
import { restoreTime } from "./machine-time.js";

// Most tests fail streams on purpose; those about the log give a logger, or set a level.
process.env["MILLRACE_LOG"] ??= "silent";

/** Rejections that nobody has heard of yet, and what they rejected with. */
const unheard = new Map<Promise<unknown>, unknown>();

process.on("unhandledRejection", (reason, promise) => void unheard.set(promise, reason));
process.on("rejectionHandled", (promise) => void unheard.delete(promise));

/** Rejections are told when the microtasks of a turn have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const checkHeard = async (): Promise<void> => {
  await turn();
  if (unheard.size === 0) return;
  const [first] = unheard.values();
  const count = unheard.size;
  unheard.clear();
  throw new Error(`${count} rejections of which nobody has heard; the first one is the cause`, { cause: first });
};

export const mochaHooks = {
  /** A hook that fails ends the whole run, so it is the test that looks, as its last step. */
  beforeEach(this: Context): void {
    const test = this.currentTest;
    const run = test?.fn;
    if (!test || !run) return;
    if (run.length > 0) throw new Error(`"${test.title}" takes a callback; let it return a promise`);
    test.fn = async function (this: Context): Promise<void> {
      await (run as (this: Context) => unknown).call(this);
      await checkHeard();
    };
  },

  afterEach(): void {
    restoreTime();
  },
};
