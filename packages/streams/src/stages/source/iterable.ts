import { ChunkSize } from "../../engine/chunk-size.js";
import { DONE, type Pull } from "../../model/pull.js";
import type { Run } from "../../engine/run.js";
import type { SourceStage } from "../../model/stage.js";

const slices = <A>(elements: readonly A[], size: ChunkSize): Pull<A> => {
  let next = 0;
  return {
    pull() {
      if (next >= elements.length) return DONE;
      const from = next;
      next = from + size.of(elements.length - from);
      return elements.slice(from, next);
    },
    cancel() {
      next = elements.length;
    },
  };
};

const steps = <A>(elements: Iterable<A>, size: ChunkSize, run: Run): Pull<A> => {
  let iterator: Iterator<A> | undefined;
  let ended = false;
  let reading = false;
  let cancelled = false;
  let failure: { readonly error: unknown } | undefined;
  const close = (): void => {
    ended = true;
    run.close(() => void iterator?.return?.());
  };
  return {
    pull() {
      if (failure) throw failure.error;
      if (ended) return DONE;
      const chunk: A[] = [];
      const most = size.next();
      reading = true;
      try {
        iterator ??= elements[Symbol.iterator]();
        while (chunk.length < most && !cancelled) {
          const step = iterator.next();
          if (step.done === true) {
            ended = true;
            break;
          }
          chunk.push(step.value);
        }
      } catch (error) {
        ended = true;
        failure = { error };
      } finally {
        reading = false;
      }
      size.gave(chunk.length);
      if (cancelled && !ended) close();
      if (chunk.length > 0) return chunk;
      if (failure) throw failure.error;
      return DONE;
    },
    cancel() {
      if (ended || cancelled) return;
      cancelled = true;
      // If a function of the iterable itself cancels, the iterable is running and cannot be closed now.
      if (!reading) close();
    },
  };
};

export const iterable = <A>(elements: Iterable<A>): SourceStage<A, void> => ({
  name: "from",
  create: (run) => {
    const size = new ChunkSize(run);
    return { outlet: Array.isArray(elements) ? slices<A>(elements, size) : steps(elements, size, run), mat: undefined };
  },
});
