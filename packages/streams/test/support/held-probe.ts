import type { Source } from "@millrace/streams";
import { type SourceProbe, sourceProbe } from "@millrace/streams-testkit";

/** A source whose probe can be reached although the graph drops its materialised value; of the newest run. */
export interface HeldProbe<A> {
  readonly source: Source<A, SourceProbe<A>>;
  readonly probe: SourceProbe<A>;
}

export const heldProbe = <A>(): HeldProbe<A> => {
  let held: SourceProbe<A> | undefined;
  return {
    source: sourceProbe<A>().mapMaterializedValue((probe) => {
      held = probe;
      return probe;
    }),
    get probe() {
      if (!held) throw new Error("run the graph first");
      return held;
    },
  };
};
