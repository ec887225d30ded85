import type { Cancellable } from "@millrace/streams";
import { AsyncPull, type Chunk, type Pull, type Run, type Stage } from "@millrace/streams/stage";
import { type Committable, CommittableOffsetBatch, commitBatch } from "../committable-offset-batch.js";
import { CommittableOffset, type OffsetOwner } from "../committable-offset.js";
import { OrderGuard } from "../order-guard.js";
import type { ParsedCommitter } from "../settings.js";

/** A commit on its way; results leave in the order in which commits began. */
interface Commit {
  readonly batch: CommittableOffsetBatch;
  state: "pending" | "done" | "dropped";
}

/** Gathers offsets and commits them by size, by time and at the end, also at an end by failure. */
class CommitCollector extends AsyncPull<Committable, CommittableOffsetBatch> {
  readonly #run: Run;
  readonly #settings: ParsedCommitter;
  readonly #commits: Commit[] = [];
  readonly #guard = new OrderGuard();
  #batch = CommittableOffsetBatch.empty;
  #timer: Cancellable | undefined;
  #input: Chunk<Committable> = [];
  #next = 0;
  #upstreamError: { readonly error: unknown } | undefined;
  /** Consumers whose offsets came by; they may ask for what is gathered. */
  readonly #owners = new Set<OffsetOwner>();

  constructor(upstream: Pull<Committable>, run: Run, settings: ParsedCommitter) {
    super(upstream);
    this.#run = run;
    this.#settings = settings;
  }

  protected advance(): void {
    this.#collect();
    // Batches that downstream has not taken count as well, or a slow one would let them pile up.
    while (!this.stopped && this.#commits.length + this.ready.length < this.#settings.parallelism) {
      if (this.#next === this.#input.length) {
        const chunk = this.take();
        if (!chunk) break;
        this.#input = chunk;
        this.#next = 0;
      }
      this.#add(this.#input[this.#next++] as Committable);
    }
    if (!this.#batch.isEmpty && this.#isHurried()) this.#commit();
    if (!this.upstreamDone || this.stopped || this.#next < this.#input.length) return;
    this.#commit();
    if (this.#upstreamError && this.#commits.length === 0) this.fail(this.#upstreamError.error);
  }

  #isHurried(): boolean {
    for (const owner of this.#owners) if (owner.hurried) return true;
    return false;
  }

  #meet(owner: OffsetOwner): void {
    if (this.#owners.has(owner)) return;
    this.#owners.add(owner);
    // Streams of partitions come and go while their consumer stays.
    this.#run.onEnd(owner.onHurry(() => this.pokeSoon()));
  }

  #add(committable: Committable): void {
    if (committable instanceof CommittableOffset) this.#meet(committable.owner);
    else for (const owner of committable.positions().keys()) this.#meet(owner);
    this.#batch = this.#batch.updated(committable);
    if (this.#batch.size >= this.#settings.maxBatch) this.#commit();
    else
      this.#timer ??= this.#run.clock.schedule(this.#settings.maxIntervalMs, () => {
        this.#timer = undefined;
        this.#commit();
        this.poke();
      });
  }

  #commit(): void {
    this.#stopTimer();
    if (this.#batch.isEmpty) return;
    const commit: Commit = { batch: this.#batch, state: "pending" };
    this.#batch = CommittableOffsetBatch.empty;
    const reordered = this.#guard.refuses(commit.batch, this.#upstreamError?.error);
    // Not supervised: to go on would be to commit it.
    if (reordered) {
      this.fail(reordered);
      return;
    }
    this.#commits.push(commit);
    commitBatch(commit.batch).then(
      () => {
        commit.state = "done";
        this.pokeSoon();
      },
      (error: unknown) => {
        commit.state = "dropped";
        if (!this.stopped && this.#run.decide(error) === "stop") this.fail(error);
        else this.pokeSoon();
      },
    );
  }

  #collect(): void {
    for (let commit = this.#commits[0]; commit && commit.state !== "pending"; commit = this.#commits[0]) {
      this.#commits.shift();
      if (commit.state === "done") this.ready.push(commit.batch);
    }
  }

  /** What was gathered before the failure is done, so it is committed before the failure goes on. */
  protected override upstreamFailed(error: unknown): void {
    this.#upstreamError = { error };
  }

  protected drained(): boolean {
    return this.#commits.length === 0 && this.#batch.isEmpty && this.#upstreamError === undefined;
  }

  protected override onClose(): void {
    this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

export const commitCollector = (settings: ParsedCommitter): Stage<Committable, CommittableOffsetBatch> => ({
  name: "committer",
  traits: { order: "kept", elements: "gathered", finishes: true },
  create: (upstream, run) => new CommitCollector(upstream, run, settings),
});
