import { followed } from "./followed.js";
import type { Copy } from "./job.js";
import { millrace } from "./millrace.js";
import { rawLoop } from "./raw-loop.js";

export const subjects: Readonly<Record<string, Copy>> = {
  millrace,
  "millrace, with context": followed,
  "node-rdkafka loop": rawLoop,
};
