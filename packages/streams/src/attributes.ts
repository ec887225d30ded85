import { oncePerProcess } from "./copies.js";

/** What a stage does after its user function threw: fail the stream, drop the element, or drop it and start afresh. */
export type Directive = "stop" | "resume" | "restart";

/**
 * Decides by the error, at once; the default decider answers `"stop"`. One that throws, or that answers anything but a
 * directive, fails the stream with `DECIDER_FAILED`.
 */
export type Decider = (error: unknown) => Directive;

/** Settings that apply to every stage of the graph below them; inner ones win over outer ones. */
export interface Attributes {
  /** Shown by `describe()` and in hook events. */
  readonly name?: string;
  /** Consulted where an operator says "adheres to supervision". */
  readonly supervision?: Decider;
  /** The most elements that are handed over at a time; chunks are shorter while elements are slow. Default 512. */
  readonly chunkElements?: number;
  /** What a connector, or a family of stages, hands to its own stages. */
  readonly [extension: symbol]: unknown;
}

/** Ready-made deciders; the same ones in every copy of this package, for checks compare them. */
export const Supervision: {
  readonly stoppingDecider: Decider;
  readonly resumingDecider: Decider;
  readonly restartingDecider: Decider;
} = oncePerProcess("Supervision", () => ({
  stoppingDecider: () => "stop",
  resumingDecider: () => "resume",
  restartingDecider: () => "restart",
}));
