import { AsyncPull, type Chunk, type SourceStage } from "@millrace/streams/stage";
import type { ConsumerSession } from "../consumer-session.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { RecordReader } from "./record-reader.js";

/** A record whose claim has ended already, and where to see whether that is committed. */
export interface EndedRecord<out A> {
  readonly record: A;
  readonly offset: number;
  readonly owned: OwnedPartition;
  readonly session: ConsumerSession;
}

/** Ends each record's claim as it is read. */
export const endingReader = <A extends { readonly offset: number }>(
  reader: RecordReader<A>,
): RecordReader<EndedRecord<A>> => ({
  keepsBytes: reader.keepsBytes,
  callsOthers: reader.callsOthers,
  withContext: false,
  opensClaims: false,
  isFinished: () => false,
  read(delivery, index, now, session, raw) {
    const record = reader.read(delivery, index, now, session, raw);
    const { owned } = delivery;
    owned.pass(record.offset, now, "processed");
    return { record, offset: record.offset, owned, session };
  },
  skip({ owned, run }, index, now, outcome) {
    owned.pass(run.fetched.chunk.offset(index), now, outcome);
  },
});

/** Commits each chunk, and hands it on once the broker has acknowledged that. */
class CommitFirst<A> extends AsyncPull<EndedRecord<A>, A> {
  #committing = false;

  protected advance(): void {
    if (this.#committing || this.ready.length > 0) return;
    const chunk = this.take();
    if (!chunk) return;
    this.#committing = true;
    void this.#commit(chunk);
  }

  async #commit(chunk: Chunk<EndedRecord<A>>): Promise<void> {
    try {
      await chunk[0]?.session.commits.asked();
    } catch (error) {
      this.#committing = false;
      this.fail(error);
      return;
    }
    this.#committing = false;
    for (const { record, offset, owned } of chunk) {
      // What was lost before it was committed is read by its next owner.
      if ((owned.committed ?? 0) > offset) this.ready.push(record);
    }
    this.pokeSoon();
  }

  protected drained(): boolean {
    return !this.#committing;
  }
}

export const commitFirst = <A, Mat>(source: SourceStage<EndedRecord<A>, Mat>): SourceStage<A, Mat> => ({
  name: source.name,
  create(run) {
    const { outlet, mat } = source.create(run);
    return { outlet: new CommitFirst<A>(outlet, run), mat };
  },
});
