import type { Keyed } from "./job.js";
import { byKey, byKeyUnordered, unordered } from "./millrace.js";
import { unsafeLoop } from "./unsafe-loop.js";

export interface KeyedSubject {
  readonly run: Keyed;
  /** Works on one record of a key at a time, so that the hottest key limits it. */
  readonly ordered: boolean;
}

export const subjects = {
  "unsafe loop": { run: unsafeLoop, ordered: false },
  mapAsyncUnordered: { run: unordered, ordered: false },
  mapAsyncPartitioned: { run: byKey, ordered: true },
  mapAsyncPartitionedUnordered: { run: byKeyUnordered, ordered: true },
} as const satisfies Readonly<Record<string, KeyedSubject>>;

export type SubjectName = keyof typeof subjects;
