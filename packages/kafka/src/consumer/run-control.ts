import { messageOf, type Run, oncePerProcess, soon } from "@millrace/streams/stage";
import type { TopicPartition, TopicPartitionOffset } from "../client/port.js";
import { type Health, healthOf } from "./recovery/health.js";
import type { ConsumerMetrics, PartitionLag } from "./metrics.js";
import type { Control, ControlOfRun } from "./control.js";
import { drain, type DrainOptions } from "./drain.js";
import type { DrainReport } from "./drain-report.js";
import { partitionKey } from "../client/partition-key.js";
import { addMetrics } from "./metrics.js";
import type { ConsumerExplanation } from "./explanation.js";
import type { PartitionReport } from "./partitions/partition-report.js";

/** What a run knows of each of its Kafka sources. */
interface SourceControl extends Control {
  readonly leaks: boolean;
  /** Nothing of it is waited for any more. */
  letGo(): void;
}

const failureOf = (settled: readonly PromiseSettledResult<unknown>[]): PromiseRejectedResult | undefined =>
  settled.find((each) => each.status === "rejected");

/** Joins the Kafka sources of one run, which begin and end together, whether or not their own controls are kept. */
export class RunControl implements ControlOfRun {
  readonly #run: Run;
  readonly #sources: SourceControl[] = [];
  /** What the first sink to fail has failed with. */
  #failure: { readonly error: unknown } | undefined;
  /** Runs under way that read a partition of one of the sources. */
  readonly #inner = new Set<Run>();
  /** What one that joins late, with a group of a `groupBy`, has missed. */
  #missed: ((source: SourceControl) => Promise<void>) | undefined;

  constructor(run: Run) {
    this.#run = run;
    run.drained.catch((error: unknown) => (this.#failure = { error }));
  }

  add(source: SourceControl): void {
    this.#sources.push(source);
    const missed = this.#missed;
    // A failure is seen in its isShutdown.
    if (missed) soon(() => void missed(source).catch(() => undefined));
  }

  /** The stream of a partition is run by itself; it may fail and be run again, until no other follows. */
  addInner(run: Run): void {
    this.#inner.add(run);
    const over = (): void => void this.#inner.delete(run);
    run.drained.then(over, over);
  }

  async untilEnded<T>(completion: Promise<T>): Promise<T> {
    const [result] = await Promise.all([completion, this.#answered(this.#run)]);
    while (this.#inner.size > 0) await Promise.all([...this.#inner].map((run) => this.#answered(run)));
    return result;
  }

  /** A failure of the run, also of an unwatched side branch, rejects this promise, and so counts as heard. */
  async #answered(run: Run): Promise<void> {
    try {
      await run.drained;
    } catch (error) {
      run.heard(error);
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#missed ??= (source) => source.stop();
    await Promise.all(this.#sources.map((source) => source.stop()));
  }

  async shutdown(): Promise<void> {
    this.#missed = (source) => source.shutdown();
    const failed = failureOf(await Promise.allSettled(this.#sources.map((source) => source.shutdown())));
    if (failed) throw failed.reason;
  }

  /** Nothing of the run is waited for any more: its streams fail with `error`, and its clients close as they are. */
  letGo(error: unknown): void {
    for (const source of this.#sources) source.letGo();
    // A run of an older copy of the streams cannot be cut.
    for (const run of [...this.#inner, this.#run]) (run as Partial<Run>).cut?.(error);
  }

  drainAndShutdown<T>(streamCompletion: Promise<T>, options?: DrainOptions): Promise<DrainReport<T>> {
    return drain(this, this, this.#run.clock, this.untilEnded(streamCompletion), options);
  }

  get isShutdown(): Promise<void> {
    return this.#shutDown();
  }

  async #shutDown(): Promise<void> {
    const failed = failureOf(await Promise.allSettled(this.#sources.map((source) => source.isShutdown)));
    if (failed) throw failed.reason;
  }

  get leaks(): boolean {
    return this.#sources.some(({ leaks }) => leaks);
  }

  explain(): ConsumerExplanation {
    const all = this.#sources.map((source) => source.explain());
    const isIn = (state: ConsumerExplanation["state"]): boolean => all.some((each) => each.state === state);
    return {
      state: isIn("running") ? "running" : isIn("stopped") ? "stopped" : "closed",
      reasons: all.flatMap(({ reasons }) => reasons),
      partitions: all.flatMap(({ partitions }) => partitions),
      toString: () => all.map((each) => each.toString()).join("\n"),
    };
  }

  health(): Health {
    if (this.#failure) return healthOf([{ code: "FAILED", message: messageOf(this.#failure.error) }]);
    return healthOf(this.#sources.flatMap((source) => source.health().reasons));
  }

  report(): readonly PartitionReport[] {
    return this.#sources.flatMap((source) => source.report());
  }

  pause(partitions?: readonly TopicPartition[]): void {
    for (const source of this.#sources) source.pause(partitions);
  }

  resume(partitions?: readonly TopicPartition[]): void {
    for (const source of this.#sources) source.resume(partitions);
  }

  async seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    await Promise.all(this.#shared(positions).map(([source, own]) => source.seek(own)));
  }

  async replayFrom(
    timestamp: number,
    partitions?: readonly TopicPartition[],
  ): Promise<readonly TopicPartitionOffset[]> {
    const asked = partitions
      ? this.#shared(partitions).map(([source, own]) => source.replayFrom(timestamp, own))
      : this.#sources.map((source) => source.replayFrom(timestamp));
    return (await Promise.all(asked)).flat();
  }

  assignment(): readonly TopicPartition[] {
    return this.#sources.flatMap((source) => source.assignment());
  }

  async lag(): Promise<readonly PartitionLag[]> {
    return (await Promise.all(this.#sources.map((source) => source.lag()))).flat();
  }

  metrics(): ConsumerMetrics {
    return addMetrics(this.#sources.map((source) => source.metrics()));
  }

  /** Each source with those of `partitions` that it has; what none has goes to the first, which refuses it. */
  #shared<P extends TopicPartition>(partitions: readonly P[]): readonly (readonly [SourceControl, readonly P[]])[] {
    const owned = this.#sources.map((source) => new Set(source.assignment().map(partitionKey)));
    const isOrphan = (each: P): boolean => owned.every((keys) => !keys.has(partitionKey(each)));
    return this.#sources
      .map((source, at) => {
        const own = partitions.filter((each) => owned[at]?.has(partitionKey(each)) || (at === 0 && isOrphan(each)));
        return [source, own] as const;
      })
      .filter(([, own]) => own.length > 0);
  }
}

/** By the end of a run, which is one for all its stages. */
const controls = oncePerProcess("kafka.controls", () => new WeakMap<Promise<void>, RunControl>());

export const runControlOf = (run: Run): RunControl => {
  const known = controls.get(run.finished);
  if (known) return known;
  const control = new RunControl(run);
  controls.set(run.finished, control);
  return control;
};
