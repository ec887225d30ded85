import type { ConsumerClient, DrainReport, KafkaDriver, TopicPartition, TopicPartitionOffset } from "@millrace/kafka";
import type { DeliveryPipeline, DeliveryWorld } from "@millrace/kafka-testkit";
import { type RunnableGraph, Sink, Source } from "@millrace/streams";
import { expect } from "chai";

const MAX_RECORDS = 8;

/** A record as a consumer written by hand gets it. */
export interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
}

/** What a consumer written by hand does with what its client tells it. */
export interface Rules {
  onAssign?(partitions: readonly number[]): Promise<void> | void;
  onRevoke?(partitions: readonly number[]): Promise<void> | void;
  onLost?(partitions: readonly number[]): void;
  /** The next poll does not wait for it. */
  onRead(records: readonly Read[]): void;
  /** Nothing more is read; the client closes once it resolves. */
  onStop?(): Promise<void>;
}

/** A position to commit. */
export interface Position {
  readonly partition: number;
  readonly offset: number;
  readonly metadata?: string;
}

/** What such a consumer works with. */
export class Hands {
  readonly world: DeliveryWorld;
  readonly #client: () => ConsumerClient;
  readonly #fail: (error: unknown) => void;
  #committing: Promise<void> = Promise.resolve();
  closed = false;

  constructor(world: DeliveryWorld, client: () => ConsumerClient, fail: (error: unknown) => void) {
    this.world = world;
    this.#client = client;
    this.#fail = fail;
  }

  /** One request at a time. */
  commit(positions: readonly Position[]): Promise<void> {
    const { input: topic } = this.world;
    const request = (): Promise<void> => this.#client().commit(positions.map((each) => ({ topic, ...each })));
    if (positions.length === 0) return Promise.resolve();
    const committed = this.#committing.then(request);
    this.#committing = committed.catch(() => undefined);
    return committed;
  }

  committed(partitions: readonly number[]): Promise<readonly TopicPartitionOffset[]> {
    return this.#client().committed(this.#places(partitions), 1000);
  }

  pause(partitions: readonly number[]): void {
    this.#client().pause(this.#places(partitions));
  }

  resume(partitions: readonly number[]): void {
    this.#client().resume(this.#places(partitions));
  }

  /** It goes on beside the polls; when it fails, so does the consumer. */
  beside(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  /** Calls `f` again and again until the client closes. */
  every(ms: number, f: () => Promise<void> | void): void {
    const repeat = async (): Promise<void> => {
      while (!this.closed) {
        await this.world.sleep(ms);
        if (!this.closed) await f();
      }
    };
    this.beside(repeat());
  }

  /** Resolves once `holds`, or when the time is over. */
  async until(holds: () => boolean, withinMs: number): Promise<void> {
    for (let ms = 0; ms < withinMs && !holds(); ms += 10) await this.world.sleep(10);
  }

  #places(partitions: readonly number[]): readonly TopicPartition[] {
    return partitions.map((partition) => ({ topic: this.world.input, partition }));
  }
}

/** As much of a `DrainingControl` as `checkDelivery` looks for. */
interface Commands {
  readonly streamCompletion: Promise<unknown>;
  drainAndShutdown(): Promise<DrainReport | undefined>;
  explain(): string;
}

const numbers = (partitions: readonly TopicPartition[]): readonly number[] =>
  partitions.map(({ partition }) => partition);

class HandMadeConsumer {
  readonly #world: DeliveryWorld;
  readonly #client: ConsumerClient;
  readonly #rules: Rules;
  readonly #hands: Hands;
  #failure: { readonly error: unknown } | undefined;
  readonly #control: { readonly stopping: boolean };

  constructor(world: DeliveryWorld, rules: (hands: Hands) => Rules, control: { readonly stopping: boolean }) {
    this.#world = world;
    this.#control = control;
    const { kafka } = world;
    const driver: KafkaDriver = kafka.driver ?? expect.fail("the world has a driver");
    this.#client = driver.consumer(
      { ...kafka.properties, "group.id": kafka.groupId ?? "", "auto.offset.reset": "earliest" },
      {
        onAssign: (partitions) => this.#rules.onAssign?.(numbers(partitions)),
        onRevoke: (partitions) => this.#rules.onRevoke?.(numbers(partitions)),
        onLost: (partitions) => this.#rules.onLost?.(numbers(partitions)),
        onError: () => undefined,
      },
    );
    this.#hands = new Hands(
      world,
      () => this.#client,
      (error) => {
        this.#failure ??= { error };
      },
    );
    this.#rules = rules(this.#hands);
  }

  async live(): Promise<void> {
    try {
      await this.#client.connect();
      this.#client.subscribe({ kind: "topics", topics: [this.#world.input] });
      while (!this.#control.stopping) await this.#poll((records) => this.#rules.onRead(records));
      let stopped = false;
      const end = (): void => {
        stopped = true;
      };
      this.#hands.beside((this.#rules.onStop?.() ?? Promise.resolve()).finally(end));
      // Commits are answered by polls.
      while (!stopped) await this.#poll(() => undefined);
    } finally {
      this.#hands.closed = true;
      await this.#client.close();
    }
  }

  async #poll(use: (records: readonly Read[]) => void): Promise<void> {
    const chunk = await this.#client.poll({ maxRecords: MAX_RECORDS, waitMs: 20 });
    if (this.#failure) throw this.#failure.error;
    if (!chunk) return;
    const records = Array.from({ length: chunk.length }, (_, index) => ({
      partition: chunk.partition(index),
      offset: chunk.offset(index),
      id: String(chunk.value(index)),
    }));
    chunk.release();
    use(records);
  }
}

/** A consumer by the client alone, which polls until it is drained or dies, and does with the records what `rules` say. */
export const handMade =
  (rules: (hands: Hands) => Rules): DeliveryPipeline =>
  (world): RunnableGraph<Commands> => {
    const control = { stopping: false };
    return Source.single(undefined)
      .mapAsync(1, () => new HandMadeConsumer(world, rules, control).live())
      .toMat(Sink.ignore, (_, streamCompletion) => ({
        streamCompletion,
        async drainAndShutdown() {
          control.stopping = true;
          await streamCompletion;
          return undefined;
        },
        explain: () => "a consumer written by hand",
      }));
  };
