import { promiseHooks } from "node:v8";

/**
 * Calls `f`, and hears what the promises reject with that are made meanwhile. A schema that is tried at once drops the
 * promises that its functions answer (zod does), and one that rejects with nobody to hear it ends the process. The hook takes
 * a third of a microsecond, so it is for a chunk of records; once it has been used V8 takes some 50 ns more for a promise.
 */
export const hearingPromises = <A>(f: () => A, onRejected: (reason: unknown) => void): A => {
  const made: Promise<unknown>[] = [];
  const stop = promiseHooks.onInit((promise) => {
    made.push(promise);
  }) as () => void;
  try {
    return f();
  } finally {
    stop();
    for (const promise of made) promise.catch(onRejected);
  }
};
