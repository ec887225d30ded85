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

/** The group that the records of the run are read in; empty without one. */
export const groupOf = (run: Run): string => sessions.get(run.finished)?.[0]?.commits.groupId ?? "";

/** The session that `isOf` says, of those that deliver into the run. */
export const sessionOf = (run: Run, isOf: (session: ConsumerSession) => boolean): ConsumerSession | undefined =>
  sessions.get(run.finished)?.find(isOf);

/** Commits what is finished of every session of the run. */
export const commitSessions = async (run: Run): Promise<void> => {
  await Promise.all((sessions.get(run.finished) ?? []).map((session) => session.commitRemaining()));
};
