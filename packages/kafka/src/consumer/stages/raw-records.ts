import { oncePerProcess, type Run } from "@millrace/streams/stage";
import type { RawRecord } from "../../dead-letters/letter.js";
import { RecordClaim } from "../../ledger/record-claim.js";
import { CommittableOffset } from "../../offsets/committable-offset.js";

/** By the end of a run, which is one for all its stages. */
const wanting = oncePerProcess("kafka.raw", () => new WeakSet<Promise<void>>());

/** A claim keeps its own, since there is one for each record; offsets are the user's, and stay as they are. */
const ofOffsets = oncePerProcess("kafka.rawOffsets", () => new WeakMap<CommittableOffset, RawRecord>());

/** Records of the run are kept as they came, until they are finished: a stage may write them to a dead-letter topic. */
export const keepRaw = (run: Run): void => void wanting.add(run.finished);

export const isRawKept = (run: Run): boolean => wanting.has(run.finished);

export const setRaw = (of: RecordClaim | CommittableOffset, raw: RawRecord): void => {
  if (of instanceof RecordClaim) of.raw = raw;
  else ofOffsets.set(of, raw);
};

/** `undefined` for what is none of a single record, as a claim of several. */
export const rawOf = (of: unknown): RawRecord | undefined => {
  if (of instanceof RecordClaim) return of.raw as RawRecord | undefined;
  return of instanceof CommittableOffset ? ofOffsets.get(of) : undefined;
};
