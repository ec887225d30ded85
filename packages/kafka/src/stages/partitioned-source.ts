import type { Logger } from "@millrace/streams";
import { Channel, type Run, type SourceStage } from "@millrace/streams/stage";
import type { KafkaDriver, TopicPartition } from "../client/port.js";
import { ConsumerSession } from "../consumer/consumer-session.js";
import type { OwnedPartition } from "../consumer/owned-partition.js";
import type { RecordReader } from "../consumer/record-reader.js";
import { committerOf, joinRun } from "../consumer/run-sessions.js";
import { type Control, ConsumerControl } from "../control.js";
import { KafkaConnectorError } from "../errors.js";
import type { ParsedConsumer } from "../settings.js";
import { RecordOutlet } from "./record-outlet.js";

/** An assigned partition, and the stage its records come from. */
export interface PartitionStage<out A> extends TopicPartition {
  readonly stage: SourceStage<A, void>;
}

export interface PartitionedSourceOptions<out A> {
  readonly name: string;
  readonly settings: ParsedConsumer;
  readonly driver: KafkaDriver;
  readonly logger: Logger;
  readonly reader: RecordReader<A>;
}

/** The streams of a consumer's partitions: one for each assignment, until it is given up or the consumer stops. */
class PartitionOutlets<A> {
  readonly #options: PartitionedSourceOptions<A>;
  readonly #outlets = new Map<OwnedPartition, RecordOutlet<A>>();
  readonly #channel: Channel<PartitionStage<A>>;
  readonly session: ConsumerSession;

  constructor(options: PartitionedSourceOptions<A>, run: Run) {
    const { settings, driver, logger } = options;
    this.#options = options;
    this.#channel = new Channel<PartitionStage<A>>({ onCancel: () => this.stop() });
    this.session = new ConsumerSession({
      settings,
      driver,
      logger,
      clock: run.clock,
      followed: options.reader.followed,
      listener: {
        onAvailable: () => this.#onAvailable(),
        onAssigned: (partitions) => {
          for (const owned of partitions) this.#channel.offer(this.#stageOf(owned));
        },
        onGivenUp: (partitions) => {
          for (const owned of partitions) this.#outlets.get(owned)?.complete();
        },
      },
    });
  }

  get outlet(): Channel<PartitionStage<A>> {
    return this.#channel;
  }

  /** Completes every stream; what is in flight may still end. */
  stop(): void {
    this.session.stop();
    this.#channel.complete();
    for (const outlet of this.#outlets.values()) outlet.complete();
  }

  #onAvailable(): void {
    for (const outlet of this.#outlets.values()) outlet.notify();
    if (this.session.failure) this.#channel.fail(this.session.failure.error);
  }

  #stageOf(owned: OwnedPartition): PartitionStage<A> {
    const { topic, partition } = owned;
    const name = `${this.#options.name} ${topic}[${partition}]`;
    return {
      topic,
      partition,
      stage: { name, create: (run) => ({ outlet: this.#open(owned, name, run), mat: undefined }) },
    };
  }

  #open(owned: OwnedPartition, name: string, run: Run): RecordOutlet<A> {
    if (this.#outlets.has(owned)) {
      throw new KafkaConnectorError(
        "SOURCE_REUSED",
        `${name} was run already: the records of an assignment are delivered once. Run each partition's source once, and fan out behind it.`,
      );
    }
    const { session } = this;
    const outlet = new RecordOutlet({
      session,
      reader: this.#options.reader,
      run,
      take: () => session.takeOf(owned),
      onCancel: () => session.abandonPartition(owned),
    });
    this.#outlets.set(owned, outlet);
    joinRun(run, session, committerOf(run));
    run.onEnd(() => void this.#outlets.delete(owned));
    if (owned.retired) outlet.complete();
    return outlet;
  }
}

/** One stage for every partition that is assigned. */
export const partitionedSource = <A>(
  options: PartitionedSourceOptions<A>,
): SourceStage<PartitionStage<A>, Control> => ({
  name: options.name,
  create(run) {
    const outlets = new PartitionOutlets(options, run);
    const control = new ConsumerControl(outlets.session, run.clock, () => outlets.stop());
    outlets.session.start();
    run.onEnd(() => control.shutdown());
    return { outlet: outlets.outlet, mat: control };
  },
});
