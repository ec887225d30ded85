import type { Attributes } from "@millrace/streams";
import { oncePerProcess, type Run } from "@millrace/streams/stage";
import type { ParsedCommitter } from "../../settings/committer-settings.js";
import type { ConsumerSession } from "../consumer-session.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";

/** The attribute by which the committer at the end of a stream with context reaches its session. */
const COMMITTER: unique symbol = Symbol.for("millrace.kafka.committer");

export const committerAttributes = (settings: ParsedCommitter): Attributes => ({ [COMMITTER]: settings });

const committerOf = (run: Run): ParsedCommitter | undefined => run.attributes[COMMITTER] as ParsedCommitter | undefined;

/** By the end of a run, which is one for all its stages. */
const sessions = oncePerProcess("kafka.sessions", () => new WeakMap<Promise<void>, ConsumerSession[]>());

/** The session delivers into this run, all or `only` of it, and commits what finishes there if there is a committer. */
export const joinRun = (run: Run, session: ConsumerSession, only?: OwnedPartition): void => {
  const committer = committerOf(run);
  if (committer) session.commits.begin(committer, only);
  const joined = sessions.get(run.finished);
  if (joined) joined.push(session);
  else sessions.set(run.finished, [session]);
};

/** Those that deliver into the run. */
export const sessionsOf = (run: Run): readonly ConsumerSession[] => sessions.get(run.finished) ?? [];

/** The group that the records of the run are read in; empty without one. */
export const groupOf = (run: Run): string => sessionsOf(run)[0]?.commits.groupId ?? "";

/** Commits what is finished of every session of the run. */
export const commitSessions = async (run: Run): Promise<void> => {
  await Promise.all(sessionsOf(run).map((session) => session.commitRemaining()));
};
