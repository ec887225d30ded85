import { DONE } from "../../engine/pull.js";
import type { SinkStage } from "../../engine/stage.js";
import { StreamError } from "../../errors.js";
import { drainSink } from "./drain-sink.js";

const nothing = (): void => undefined;

export const ignore: SinkStage<unknown, Promise<void>> = drainSink("ignore", () => ({
  onChunk: nothing,
  result: nothing,
}));

export const forEach = <A>(f: (element: A) => void): SinkStage<A, Promise<void>> =>
  drainSink("forEach", () => ({
    onChunk(chunk) {
      for (let index = 0; index < chunk.length; index++) f(chunk[index] as A);
    },
    result: nothing,
  }));

export const foldSink = <A, S>(zero: S, f: (state: S, element: A) => S): SinkStage<A, Promise<S>> =>
  drainSink("fold", () => {
    let state = zero;
    return {
      onChunk(chunk) {
        let folded = state;
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
