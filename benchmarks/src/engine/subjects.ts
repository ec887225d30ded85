import type { Subject } from "./pipelines.js";
import { asyncGenerators } from "./subjects/async-generators.js";
import { effect } from "./subjects/effect.js";
import { iterator } from "./subjects/iterator.js";
import { ix } from "./subjects/ix.js";
import { loop } from "./subjects/loop.js";
import { millrace } from "./subjects/millrace.js";
import { nodeStreams } from "./subjects/node-streams.js";
import { rxjs } from "./subjects/rxjs.js";

/** Rivals stand next to each other, so that they are measured next to each other. */
export const subjects: Readonly<Record<string, Subject>> = {
  loop,
  millrace,
  "node-streams": nodeStreams,
  "async-generators": asyncGenerators,
  iterator,
  effect,
  rxjs,
  ix,
};
