import { liveRuns } from "@millrace/streams/stage";
import { ExpectationError } from "./expectation.js";
import { settle } from "./settle.js";

/** Runs `block`, then fails unless every stream it has started ends, finalisers included, within `turns` turns. */
export const assertAllClosed = async <A>(block: () => Promise<A>, turns = 64): Promise<A> => {
  const before = liveRuns();
  const result = await block();
  for (let turn = 0; turn < turns && liveRuns() > before; turn++) await settle(1);
  const open = liveRuns() - before;
  if (open > 0) {
    throw new ExpectationError(
      `expected every stream to be closed, but ${open} of those started still run after ${turns} turns; ` +
        "complete or cancel them, and look for a finaliser that never settles",
    );
  }
  return result;
};
