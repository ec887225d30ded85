import { Channel, type Run, type SourceStage } from "@millrace/streams/stage";
import type { TopicPartition } from "../../client/port.js";
import { ConsumerSession } from "../consumer-session.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import { joinRun } from "./run-sessions.js";
import type { Control } from "../control.js";
import { ConsumerControl } from "../consumer-control.js";
import { type FailureLog, failureLogOf } from "../../logging/failure-log.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { type RunControl, runControlOf } from "../run-control.js";
import { type ConsumerSourceOptions, stageName } from "./consumer-source.js";
import { PartitionRestarts } from "./partition-restarts.js";
import { PartitionWaits } from "./partition-waits.js";
import { RecordOutlet } from "./record-outlet.js";

/** An assigned partition, and the stage its records come from. */
export interface PartitionStage<out A> extends TopicPartition {
  readonly stage: SourceStage<A, void>;
}

/** The stream of one partition; after a seek it goes on with another assignment of it. */
interface Lane<out A> {
  owned: OwnedPartition;
  outlet: RecordOutlet<A> | undefined;
  /** Its stream wanted no more, or failed. */
  left: boolean;
}

/**
 * The streams of a consumer's partitions: one for each assignment, until it is given up or the consumer stops. One that
 * ends before is followed by another, which begins at the last unfinished record.
 */
class PartitionOutlets<A> {
  readonly #options: ConsumerSourceOptions<A>;
  readonly #lanes = new Map<OwnedPartition, Lane<A>>();
  readonly #channel: Channel<PartitionStage<A>>;
  readonly #restarts: PartitionRestarts;
  readonly #waits: PartitionWaits;
  readonly #control: RunControl;
  readonly #failures: FailureLog;
  readonly session: ConsumerSession;

  constructor(options: ConsumerSourceOptions<A>, run: Run) {
    const { settings, logger, letters } = options;
    this.#options = options;
    this.#restarts = new PartitionRestarts(run.clock, settings.restartBackoff);
    this.#control = runControlOf(run);
    this.#waits = new PartitionWaits(run.clock, logger);
    this.#channel = new Channel<PartitionStage<A>>(run, { onCancel: () => this.stop() });
    this.#failures = failureLogOf(run, logger, { groupId: settings.groupId });
    this.session = new ConsumerSession({
      settings,
      logger,
      failures: this.#failures,
      clock: run.clock,
      withContext: options.reader.withContext,
      letters,
      listener: {
        onAvailable: () => this.#onAvailable(),
        onAssigned: (partitions) => {
          for (const owned of partitions) this.#channel.offer(this.#stageOf(owned));
        },
        onGivenUp: (partitions) => {
          for (const owned of partitions) this.#complete(owned);
        },
        isWaiting: (owned) => this.#waits.has(owned),
        onReplaced: (before, after) => this.#onReplaced(before, after),
        onDone: (partitions, all) => {
          if (all) this.stop();
          else for (const owned of partitions) this.#complete(owned);
        },
      },
    });
  }

  get outlet(): Channel<PartitionStage<A>> {
    return this.#channel;
  }

  /** Completes every stream; what is in flight may still end. */
  stop(): void {
    this.#restarts.close();
    this.#waits.close();
    this.session.stop();
    this.#channel.complete();
    for (const { outlet } of this.#lanes.values()) outlet?.complete();
  }

  #complete(owned: OwnedPartition): void {
    this.#waits.end(owned);
    this.#lanes.get(owned)?.outlet?.complete();
  }

  #onAvailable(): void {
    for (const { outlet } of this.#lanes.values()) outlet?.notify();
    if (this.session.failure) this.#channel.fail(this.session.failure.error);
  }

  #onReplaced(before: OwnedPartition, after: OwnedPartition): void {
    const lane = this.#lanes.get(before);
    if (!lane) return;
    this.#lanes.delete(before);
    lane.owned = after;
    if (this.#waits.has(before)) this.#waits.begin(after);
    this.#waits.end(before);
    this.#lanes.set(after, lane);
  }

  #stageOf(owned: OwnedPartition): PartitionStage<A> {
    const { topic, partition } = owned;
    const name = `${this.#options.name} ${topic}[${partition}]`;
    const lane: Lane<A> = { owned, outlet: undefined, left: false };
    this.#lanes.set(owned, lane);
    this.#waits.begin(owned);
    return {
      topic,
      partition,
      stage: { name, create: (run) => ({ outlet: this.#open(lane, name, run), mat: undefined }) },
    };
  }

  #open(lane: Lane<A>, name: string, run: Run): RecordOutlet<A> {
    if (lane.outlet) {
      throw new KafkaConnectorError(
        "SOURCE_REUSED",
        `${name} was run already: the records of an assignment are delivered once. Run each partition's source once, and fan out behind it.`,
      );
    }
    this.#waits.end(lane.owned);
    const { session } = this;
    const leave = (): void => {
      lane.left = true;
      session.abandonPartition(lane.owned);
    };
    const { reader, logger } = this.#options;
    const outlet = new RecordOutlet({
      session,
      reader,
      run,
      logger,
      take: (records) => session.take(records, lane.owned),
      partitions: () => [lane.owned],
      onFailure: leave,
      onCancel: leave,
    });
    lane.outlet = outlet;
    joinRun(run, session, lane.owned);
    this.#failures.watch(run, { partition: String(lane.owned) });
    this.#control.addInner(run);
    run.onEnd(() => this.#onEnd(lane));
    if (lane.owned.retired || session.isStopped) outlet.complete();
    return outlet;
  }

  #onEnd(lane: Lane<A>): void {
    const { owned, left } = lane;
    this.#lanes.delete(owned);
    if (!left || this.session.isStopped) return;
    // Also what its committer finished last counts, so the next stream begins only now.
    this.#restarts.schedule(owned.key, owned.ledger.belowWatermark > 0, () => void this.#restart(owned));
  }

  async #restart(owned: OwnedPartition): Promise<void> {
    if (this.session.isStopped) return;
    try {
      const after = await this.session.readAgain(owned);
      if (after && !this.session.isStopped) this.#channel.offer(this.#stageOf(after));
    } catch (error) {
      this.#options.logger.warn("kafka consumer: a partition could not be read again, trying later", { error });
      this.#restarts.schedule(owned.key, false, () => void this.#restart(owned));
    }
  }
}

/** One stage for every partition that is assigned. */
export const partitionedSource = <A>(options: ConsumerSourceOptions<A>): SourceStage<PartitionStage<A>, Control> => ({
  name: stageName(options),
  create(run) {
    const outlets = new PartitionOutlets(options, run);
    const control = new ConsumerControl(outlets.session, run, () => outlets.stop());
    outlets.session.start();
    run.onEnd(() => control.shutdown());
    return { outlet: outlets.outlet, mat: control };
  },
});
