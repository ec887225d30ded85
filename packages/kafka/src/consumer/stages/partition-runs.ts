import type { Logger, RunnableGraph } from "@millrace/streams";
import { AsyncPull, type Pull, type Run, type Stage } from "@millrace/streams/stage";
import type { PartitionStage } from "./partitioned-source.js";

interface PartitionRunsOptions<in A, out T> {
  readonly graph: (partition: PartitionStage<A>) => RunnableGraph<Promise<T>>;
  readonly logger: Logger;
}

/** Runs a graph for each partition at once, whatever downstream does, and emits what its stream resolves with. */
class PartitionRuns<A, T> extends AsyncPull<PartitionStage<A>, T> {
  readonly #run: Run;
  readonly #options: PartitionRunsOptions<A, T>;
  #running = 0;

  constructor(upstream: Pull<PartitionStage<A>>, run: Run, options: PartitionRunsOptions<A, T>) {
    super(upstream, run);
    this.#run = run;
    this.#options = options;
  }

  protected advance(): void {
    for (let chunk = this.take(); chunk; chunk = this.take()) {
      for (const partition of chunk) void this.#live(partition);
    }
  }

  /** After a failure that the decider lets pass, upstream emits the partition for another run. */
  async #live(partition: PartitionStage<A>): Promise<void> {
    this.#running += 1;
    try {
      const result = await this.#options.graph(partition).run(this.#run.options);
      if (!this.stopped) this.ready.push(result);
    } catch (error) {
      const { topic, partition: number } = partition;
      const decision = this.#run.decide(error);
      if (typeof decision === "object") this.fail(decision.error);
      else
        this.#options.logger.warn("kafka consumer: the stream of a partition failed", {
          topic,
          partition: number,
          error,
        });
    }
    this.#running -= 1;
    this.pokeSoon();
  }

  protected drained(): boolean {
    return this.#running === 0;
  }
}

export const partitionRuns = <A, T>(options: PartitionRunsOptions<A, T>): Stage<PartitionStage<A>, T> => ({
  name: "runPartitions",
  create: (upstream, run) => new PartitionRuns(upstream, run, options),
});
