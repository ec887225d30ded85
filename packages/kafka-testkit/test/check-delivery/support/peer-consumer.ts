import type { ConsumerClient, RecordChunk, TopicPartition } from "@millrace/kafka";
import type { DeliveryWorld } from "@millrace/kafka-testkit";
import { type RunnableGraph, Sink, Source } from "@millrace/streams";
import { expect } from "chai";

const POLL_MS = 20;
const COMMIT_EVERY_MS = 100;
const REVOKE_MS = 1000;

/** What a consumer knows of one partition it has. */
export interface Tracked {
  readonly partition: number;
  /** Offsets of records that are worked on. */
  readonly open: Set<number>;
  /** After the highest offset that was taken. */
  next: number;
  committed: number;
  revoked: boolean;
}

/**
 * A small consumer as others build them: a loop that polls, works on records concurrently, and commits the lowest open
 * offset now and then. As it stands it keeps its promise; each published loss is a method of it done wrong.
 */
export class PeerConsumer {
  protected readonly world: DeliveryWorld;
  protected readonly consumer: ConsumerClient;
  protected readonly tracked = new Map<number, Tracked>();
  #failure: { readonly error: unknown } | undefined;
  #committing: Promise<void> | undefined;
  #committedAt = 0;

  constructor(world: DeliveryWorld) {
    this.world = world;
    const { driver, groupId = "", properties } = world.kafka;
    this.consumer = (driver ?? expect.fail("the world has a driver")).consumer(
      { ...properties, "group.id": groupId, "auto.offset.reset": "earliest" },
      {
        onAssign: (partitions) => this.onAssign(numbersOf(partitions)),
        onRevoke: (partitions) => this.onRevoke(numbersOf(partitions)),
        onLost: (partitions) => this.onLost(numbersOf(partitions)),
        onError: () => undefined,
      },
    );
  }

  /** Whatever fails ends the process. */
  graph(): RunnableGraph<Promise<unknown>> {
    return Source.single(undefined)
      .mapAsync(1, () => this.#live())
      .toMat(Sink.ignore, (_, done) => done);
  }

  protected onAssign(partitions: readonly number[]): void {
    for (const partition of partitions) {
      this.tracked.set(partition, { partition, open: new Set(), next: 0, committed: 0, revoked: false });
    }
  }

  /** Lets what is open end, and commits. */
  protected async onRevoke(partitions: readonly number[]): Promise<void> {
    const revoked = partitions.flatMap((partition) => this.tracked.get(partition) ?? []);
    for (const tracked of revoked) tracked.revoked = true;
    const deadline = this.world.clock.now() + REVOKE_MS;
    while (revoked.some(({ open }) => open.size > 0) && this.world.clock.now() < deadline) await this.world.sleep(10);
    await this.commit().catch(() => undefined);
    this.onLost(partitions);
  }

  protected onLost(partitions: readonly number[]): void {
    for (const partition of partitions) this.tracked.delete(partition);
  }

  protected onPolled(_chunk: RecordChunk): void {
    // Nothing more to do with it than to take its records.
  }

  protected take(partition: number, offset: number, value: string): void {
    const tracked = this.tracked.get(partition);
    if (!tracked || tracked.revoked) return;
    tracked.next = offset + 1;
    tracked.open.add(offset);
    this.work(tracked, offset, value);
  }

  protected work(tracked: Tracked, offset: number, value: string): void {
    this.world.effect(value).then(
      () => this.onDone(tracked, offset),
      (error: unknown) => this.onFailed(tracked, offset, error, value),
    );
  }

  protected onDone(tracked: Tracked, offset: number): void {
    tracked.open.delete(offset);
  }

  protected onFailed(_tracked: Tracked, _offset: number, error: unknown, _value: string): void {
    this.#failure = { error };
  }

  protected positionOf({ open, next }: Tracked): number {
    return open.size > 0 ? Math.min(...open) : next;
  }

  protected onCommitFailed(error: unknown): void {
    this.#failure = { error };
  }

  /** One at a time; served by the polls of the loop. */
  protected async commit(): Promise<void> {
    await this.#committing?.catch(() => undefined);
    const moved = [...this.tracked.values()].flatMap((tracked) => {
      const offset = this.positionOf(tracked);
      return offset === tracked.committed ? [] : [{ tracked, offset }];
    });
    if (moved.length === 0) return;
    this.#committing = this.consumer
      .commit(moved.map(({ tracked: { partition }, offset }) => ({ topic: this.world.input, partition, offset })))
      .then(() => {
        for (const { tracked, offset } of moved) tracked.committed = offset;
      })
      .finally(() => {
        this.#committing = undefined;
      });
    await this.#committing;
  }

  async #live(): Promise<void> {
    try {
      await this.consumer.connect();
      this.consumer.subscribe({ kind: "topics", topics: [this.world.input] });
      while (!this.#failure) await this.#turn();
      throw this.#failure.error;
    } finally {
      await this.consumer.close();
    }
  }

  async #turn(): Promise<void> {
    const chunk = await this.consumer.poll({ maxRecords: 2, waitMs: POLL_MS });
    if (chunk) {
      this.onPolled(chunk);
      for (let index = 0; index < chunk.length; index++) {
        this.take(chunk.partition(index), chunk.offset(index), String(chunk.value(index)));
      }
    }
    if (this.#committing || this.world.clock.now() - this.#committedAt < COMMIT_EVERY_MS) return;
    this.#committedAt = this.world.clock.now();
    this.commit().catch((error: unknown) => this.onCommitFailed(error));
  }
}

const numbersOf = (partitions: readonly TopicPartition[]): readonly number[] =>
  partitions.map(({ partition }) => partition);
