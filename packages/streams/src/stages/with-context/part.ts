import { type Blueprint, node } from "../../model/blueprint.js";
import type { Run } from "../../engine/run.js";

const PART: unique symbol = Symbol.for("millrace.part");

/** A branch or a group: what it does not want must end, for the rest of the stream goes on without it. */
export const asPart = (flow: Blueprint): Blueprint =>
  node("attributes", { upstream: flow, attributes: { [PART]: true } });

/** A source that joins a part from outside: it may complete by itself. */
export const asWhole = (source: Blueprint): Blueprint =>
  node("attributes", { upstream: source, attributes: { [PART]: false } });

export const isPart = (run: Run): boolean => run.attributes[PART] === true;
