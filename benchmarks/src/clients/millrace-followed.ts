import {
  committerSink,
  DrainingControl,
  type PartitionReport,
  producerFlowWithContext,
  sourceWithOffsetContext,
} from "@millrace/kafka";
import type { ClientJob, Work, Works } from "./job.js";
import { COMMIT, reads, runOut, writes } from "./millrace.js";

/** How often it is asked what is committed. */
const LOOK_MS = 5;

/** The topic is read from its first offset, which is 0, and has no holes. */
const committedIn = (partitions: readonly PartitionReport[]): number =>
  partitions.reduce((sum, { committed = 0 }) => sum + committed, 0);

const watched = async (job: ClientJob, control: DrainingControl<unknown>): Promise<void> => {
  const timer = setInterval(() => job.onDone(committedIn(control.report())), LOOK_MS);
  await runOut(job, control).finally(() => clearInterval(timer));
};

const committing: Work = (job) =>
  watched(
    job,
    sourceWithOffsetContext(reads(job))
      .map(({ value }) => job.process(value))
      .toMat(committerSink(COMMIT), DrainingControl.from)
      .run(),
  );

const copying: Work = (job) =>
  watched(
    job,
    sourceWithOffsetContext(reads(job))
      .map(({ partition, key, value }) => {
        job.process(value);
        return { topic: job.to, partition, key, value };
      })
      .via(producerFlowWithContext(writes(job)))
      .toMat(committerSink(COMMIT), DrainingControl.from)
      .run(),
  );

/** As a user with context writes them; what commits nothing is the same. */
export const works: Works = { commit: committing, copy: copying };
