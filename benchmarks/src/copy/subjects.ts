import type { Copy } from "./job.js";
import { millrace } from "./millrace.js";
import { rawLoop } from "./raw-loop.js";

export const subjects: Readonly<Record<string, Copy>> = { millrace, "node-rdkafka loop": rawLoop };
