import type { Cancellable } from "@millrace/streams";
import { AsyncPull, type Pull, requireFinished, type Run, type Stage } from "@millrace/streams/stage";
import { type Committable, CommittableOffsetBatch, CommittedBatch } from "../../offsets/batch.js";
import type { OffsetOwner } from "../../offsets/committable-offset.js";
import type { ParsedCommitter } from "../../settings/committer-settings.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { OrderGuard } from "../../offsets/order-guard.js";
import { outletBehind, type RecordOutlet } from "./record-outlet.js";

/** How soon it is looked again whether anything is on the way, while a consumer waits for that. */
const HURRIED_LOOK_MS = 5;

/** A commit on its way; results leave in the order in which commits began. */
interface Commit {
  state: "pending" | "answered";
  /** What goes on once it is answered: nothing where it failed, or went on before. */
  emits: CommittedBatch | undefined;
}

/** Types ensure that only offsets come; without a type check the stream fails with what to do. */
const refusalOf = (element: unknown): unknown => {
  if (typeof element === "object" && element !== null && ("owner" in element || "updated" in element)) return undefined;
  try {
    requireFinished(element);
  } catch (unhandled) {
    return unhandled;
  }
  return new KafkaConnectorError(
    "NOT_COMMITTABLE",
    `A committer takes a CommittableOffset or a CommittableOffsetBatch, not ${element === null ? "null" : typeof element}. Map each element to its offset in front of it, such as by .map((message) => message.offset).`,
  );
};

/** Gathers offsets and commits them by size, by time and at the end, also at an end by failure. */
class CommitCollector extends AsyncPull<Committable, CommittableOffsetBatch> {
  readonly #upstream: Pull<Committable>;
  /** Where the offsets come from, if all stages on the way know whether they hold any. */
  readonly #outlet: RecordOutlet<unknown> | undefined;
  readonly #run: Run;
  readonly #settings: ParsedCommitter;
  /** A batch goes on without its answer. */
  readonly #forgets: boolean;
  readonly #commits: Commit[] = [];
  readonly #guard = new OrderGuard();
  #batch = CommittableOffsetBatch.empty;
  /** What is gathered is to be committed as soon as it may. */
  #due = false;
  #timer: Cancellable | undefined;
  #look: { readonly delayMs: number; readonly timer: Cancellable } | undefined;
  /** The last element said that it finishes nothing: somebody keeps what it stands for. */
  #isKept = false;
  #upstreamError: { readonly error: unknown } | undefined;
  /** Consumers whose offsets came by; they may ask for what is gathered. */
  readonly #owners = new Set<OffsetOwner>();

  constructor(upstream: Pull<Committable>, run: Run, settings: ParsedCommitter) {
    super(upstream, run);
    this.#upstream = upstream;
    this.#run = run;
    this.#settings = settings;
    this.#forgets = settings.delivery === "sendAndForget";
    this.#outlet = outletBehind(upstream);
    if (!this.#outlet) return;
    // Of records that are dropped on the way nothing comes here, and their consumer may wait for them all the same.
    this.#meet(this.#outlet.owner);
    this.#outlet.onDelivery = () => {
      if (!this.#look) this.#lookLater();
    };
  }

  protected advance(): void {
    this.collect();
    if (this.#due) this.#commit();
    while (!this.stopped && this.#hasRoom()) {
      if (this.input.left === 0 && !this.takeInput()) break;
      this.#add(this.input.next());
    }
    if (!this.#batch.isEmpty && this.#isHurried()) this.#commit();
    if (!this.upstreamDone) this.#lookLater();
    if (!this.upstreamDone || this.stopped || this.input.left > 0) return;
    this.#look?.timer.cancel();
    this.#commit();
    if (!this.#upstreamError) this.#discardDropped();
    if (this.#upstreamError && this.#commits.length === 0 && this.#batch.isEmpty) this.fail(this.#upstreamError.error);
  }

  /** Batches that downstream has not taken count as well, or a slow one would let them pile up. */
  #hasRoom(): boolean {
    const unanswered = this.#forgets ? 0 : this.#commits.length;
    return unanswered + this.ready.length < this.#settings.parallelism;
  }

  /** Nothing reports that the last stage on the way has dropped the last element, so a timer looks for that. */
  #lookLater(): void {
    if (this.stopped || !this.#outlet?.hasUnfinished) return;
    const delayMs = this.#isHurried() ? HURRIED_LOOK_MS : this.#settings.maxIntervalMs;
    if (this.#look && this.#look.delayMs <= delayMs) return;
    this.#look?.timer.cancel();
    const timer = this.#run.clock.schedule(delayMs, () => {
      this.#look = undefined;
      this.#discardDropped();
      this.poke();
    });
    this.#look = { delayMs, timer };
  }

  /** Where nothing is on the way and all that came is committed, the records that are left were dropped on purpose. */
  #discardDropped(): void {
    if (this.stopped || this.#isKept || !this.#batch.isEmpty || this.input.left > 0) return;
    outletBehind(this.#upstream)?.discardUnfinished();
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
    if (this.#settings.refreshIntervalMs !== undefined) owner.refreshEvery(this.#settings.refreshIntervalMs);
  }

  #add(committable: Committable): void {
    const refused = refusalOf(committable);
    if (refused !== undefined) {
      this.fail(refused);
      return;
    }
    if ("owner" in committable) this.#meet(committable.owner);
    else for (const owner of committable.positions().keys()) this.#meet(owner);
    this.#batch = this.#batch.updated(committable);
    this.#isKept = !("owner" in committable) && committable.isEmpty;
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
    // A batch has a bound of its own, the partitions it names; answers that are not awaited would have none.
    this.#due = this.#forgets && this.#commits.length >= this.#settings.parallelism;
    if (this.#due) return;
    const batch = this.#batch;
    this.#batch = CommittableOffsetBatch.empty;
    const reordered = this.#guard.refuses(batch, this.#upstreamError?.error);
    // Not supervised: to go on would be to commit it.
    if (reordered) {
      this.fail(reordered);
      return;
    }
    const commit: Commit = { state: "pending", emits: undefined };
    this.#commits.push(commit);
    void (this.#forgets ? this.#commitUnawaited(commit, batch) : this.#ask(commit, batch));
  }

  async #ask(commit: Commit, batch: CommittableOffsetBatch): Promise<void> {
    try {
      commit.emits = new CommittedBatch(batch, await batch.commit());
    } catch (error) {
      const decision = this.stopped ? "resume" : this.#run.decide(error);
      // What failed first is why the stream ends: where brokers are gone, so are the answers to its last commits.
      if (typeof decision === "object") this.fail((this.#upstreamError ?? decision).error);
    }
    commit.state = "answered";
    this.pokeSoon();
  }

  async #commitUnawaited(commit: Commit, batch: CommittableOffsetBatch): Promise<void> {
    this.ready.push(batch);
    await batch.tell();
    commit.state = "answered";
    this.pokeSoon();
  }

  protected override collect(): void {
    for (let commit = this.#commits[0]; commit?.state === "answered"; commit = this.#commits[0]) {
      this.#commits.shift();
      if (commit.emits) this.ready.push(commit.emits);
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
    this.#look?.timer.cancel();
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
