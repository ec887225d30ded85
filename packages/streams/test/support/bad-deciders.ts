import type { Decider } from "@millrace/streams";

/** What user code throws in the tests of these. */
export const boom = new Error("boom");

const bad = new Error("the decider's own");

/** Deciders that decide nothing, and what the failure names as its cause. */
export const BAD_DECIDERS: Readonly<Record<string, { readonly decider: Decider; readonly cause: unknown }>> = {
  throws: {
    decider: () => {
      throw bad;
    },
    cause: bad,
  },
  "answers a promise": { decider: (async () => "resume") as unknown as Decider, cause: boom },
  "answers a promise that rejects": { decider: (() => Promise.reject(bad)) as unknown as Decider, cause: boom },
  "answers an unknown word": { decider: (() => "ignore") as unknown as Decider, cause: boom },
  "answers nothing": { decider: (() => undefined) as unknown as Decider, cause: boom },
};
