import { type InPlaceCursor, inPlaceStage } from "../../engine/element-stage.js";
import type { Stage, StageTraits } from "../../model/stage.js";
import type { WithClaim } from "./claim.js";
import type { Guard } from "./guard.js";
import { guarded } from "./guarded.js";
import { requireFinished } from "./unfinished.js";

type Pair = WithClaim<unknown>;
type CellStage<A, B> = Stage<WithClaim<A>, WithClaim<B>>;

const KEPT: StageTraits = { order: "kept", elements: "kept" };
const MAY_DROP: StageTraits = { order: "kept", elements: "mayDrop" };

/** Answers whether the pair goes on; otherwise it has ended the pair's share. */
type Step = (pair: Pair) => boolean;

const steps = (chunk: Pair[], at: InPlaceCursor, step: Step, guard: Guard): void => {
  let { index, written } = at;
  try {
    for (; index < chunk.length; index++) {
      const pair = chunk[index] as Pair;
      if (step(pair)) chunk[written++] = pair;
    }
  } catch (error) {
    throw guard.decided(error, (chunk[index] as Pair).claim);
  } finally {
    at.index = index;
    at.written = written;
  }
};

/** The loop of every operator with at most one output per input: pairs are changed in place and passed on. */
export const stepping = <A, B>(name: string, guard: Guard, create: () => Step): CellStage<A, B> =>
  inPlaceStage<Pair, Pair>(name, () => {
    const step = create();
    return { onChunk: (chunk, at) => steps(chunk, at, step, guard) };
  }) as CellStage<A, B>;

/** A loop of its own, without a call per element between it and `f`: the operator every pipeline has most of. */
export const map = <A, B>(f: (value: A) => B): CellStage<A, B> =>
  guarded<Pair, Pair>("map", KEPT, (guard) =>
    inPlaceStage<Pair, Pair>("map", () => ({
      onChunk(chunk, at) {
        let { index, written } = at;
        try {
          for (; index < chunk.length; index++) {
            const pair = chunk[index] as Pair;
            pair.value = f(pair.value as A);
            chunk[written++] = pair;
          }
        } catch (error) {
          throw guard.decided(error, (chunk[index] as Pair).claim);
        } finally {
          at.index = index;
          at.written = written;
        }
      },
    })),
  ) as CellStage<A, B>;

export const filter = <A>(name: string, holds: (value: A) => boolean, keep: boolean): CellStage<A, A> =>
  guarded(name, MAY_DROP, (guard) => {
    const reason = `filtered by ${guard.name}`;
    return stepping(name, guard, () => (pair) => {
      if (holds(pair.value as A) ? keep : !keep) return true;
      pair.claim.end("discarded", reason);
      return false;
    });
  });

export const collect = <A, B>(f: (value: A) => B): CellStage<A, Exclude<B, undefined>> =>
  guarded("collect", MAY_DROP, (guard) => {
    const reason = `filtered by ${guard.name}`;
    return stepping("collect", guard, () => (pair) => {
      pair.value = f(pair.value as A);
      if (pair.value !== undefined) return true;
      pair.claim.end("discarded", reason);
      return false;
    });
  });

export const drop = <A>(count: number): CellStage<A, A> =>
  guarded("drop", MAY_DROP, (guard) => {
    const reason = `left out by ${guard.name}`;
    return stepping("drop", guard, () => {
      let left = count;
      return (pair) => {
        if (left === 0) return true;
        left -= 1;
        pair.claim.end("discarded", reason);
        return false;
      };
    });
  });

/** The end of a side branch: what arrives has been dealt with. */
export const endProcessed: CellStage<unknown, unknown> = {
  traits: MAY_DROP,
  ...inPlaceStage("endProcessed", () => ({
    onChunk(chunk, at) {
      for (; at.index < chunk.length; at.index++) {
        const { value, claim } = chunk[at.index] as Pair;
        // Where supervision goes on, the claim stays open.
        requireFinished(value);
        claim.end("processed");
      }
    },
  })),
};

/** Ends every share and passes the plain values on. */
export const discardContext = <A>(): Stage<WithClaim<A>, A> =>
  inPlaceStage<WithClaim<A>, A>("discardContext", () => ({
    onChunk(chunk, at) {
      for (let index = at.index; index < chunk.length; index++) {
        const { value, claim } = chunk[index] as WithClaim<A>;
        claim.end("discarded", "context discarded");
        chunk[index] = value;
      }
      at.written = chunk.length;
    },
  }));
