import { promiseOf } from "../../engine/answer.js";
import { DONE } from "../../model/pull.js";
import type { SinkStage } from "../../model/stage.js";
import { requireArgument, StreamError } from "../../errors.js";
import { drainSink } from "./drain-sink.js";

const nothing = (): void => undefined;

export const ignore: SinkStage<unknown, Promise<void>> = drainSink("ignore", () => ({
  onChunk: nothing,
  result: nothing,
}));

/** A function that is not waited for answered a promise: its failures and its pace would be lost. */
const refuseThenable = (answer: unknown, sink: string, advice: string): void => {
  const promise = promiseOf(answer);
  if (!promise) return;
  promise.catch(nothing);
  requireArgument(false, sink, `the function answered a promise, for which nobody waits here; ${advice}`);
};

export const forEach = <A>(f: (element: A) => unknown): SinkStage<A, Promise<void>> =>
  drainSink("forEach", () => ({
    onChunk(chunk) {
      for (let index = 0; index < chunk.length; index++) {
        const answer = f(chunk[index] as A);
        if (answer !== undefined) refuseThenable(answer, "forEach", "use Sink.forEachAsync(parallelism, f)");
      }
    },
    result: nothing,
  }));

export const foldSink = <A, S>(zero: S, f: (state: S, element: A) => S): SinkStage<A, Promise<S>> =>
  drainSink("fold", () => {
    let state = zero;
    let first = promiseOf(zero) === undefined;
    return {
      onChunk(chunk) {
        let folded = state;
        if (first) {
          // An asynchronous function answers promises from the first call on; a fold over promises begins with one.
          first = false;
          folded = f(folded, chunk[0] as A);
          refuseThenable(folded, "fold", "use mapAsync in front of it, or begin with a promise and await each state");
          state = folded;
          if (chunk.length === 1) return;
          chunk = chunk.slice(1);
        }
        for (let index = 0; index < chunk.length; index++) folded = f(folded, chunk[index] as A);
        state = folded;
      },
      result: () => state,
    };
  });

export const toArray = <A>(): SinkStage<A, Promise<A[]>> =>
  drainSink("toArray", () => {
    const elements: A[] = [];
    return {
      onChunk(chunk) {
        for (const element of chunk) elements.push(element);
      },
      result: () => elements,
    };
  });

const only = <A>(found: { readonly value: A } | undefined, sink: string): A => {
  if (!found) throw new StreamError("EMPTY_STREAM", `${sink}: the stream completed without an element`);
  return found.value;
};

export const head = <A>(): SinkStage<A, Promise<A>> =>
  drainSink("head", () => {
    let found: { readonly value: A } | undefined;
    return {
      onChunk(chunk) {
        found = { value: chunk[0] as A };
        return DONE;
      },
      result: () => only(found, "head"),
    };
  });

export const last = <A>(): SinkStage<A, Promise<A>> =>
  drainSink("last", () => {
    let found: { readonly value: A } | undefined;
    return {
      onChunk(chunk) {
        found = { value: chunk[chunk.length - 1] as A };
      },
      result: () => only(found, "last"),
    };
  });
