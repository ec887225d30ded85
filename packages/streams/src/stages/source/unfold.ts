import type { SourceStage } from "../../model/stage.js";
import { iterable } from "./iterable.js";

const steps = <S, A>(zero: S, f: (state: S) => readonly [next: S, element: A] | undefined): Iterable<A> => ({
  [Symbol.iterator]: () => {
    let state = zero;
    return {
      next() {
        const step = f(state);
        if (!step) return { done: true, value: undefined };
        state = step[0];
        return { done: false, value: step[1] };
      },
    };
  },
});

export const unfold = <S, A>(
  zero: S,
  f: (state: S) => readonly [next: S, element: A] | undefined,
): SourceStage<A, void> => ({ ...iterable(steps(zero, f)), name: "unfold" });
