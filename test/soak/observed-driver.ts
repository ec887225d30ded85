import { type ConsumerClient, type KafkaDriver, rdkafkaDriver, type TopicPartition } from "@millrace/kafka";
import type { OfPartition, WorkerMessage } from "./protocol.js";
import type { Stamp } from "./records.js";

interface Ownership {
  generation: number;
  owned: boolean;
  /** After the last record delivered in this generation; undefined before the first. */
  next: number | undefined;
}

/**
 * A worker's account of what its client was told, taken between Millrace and the client: it depends on nothing that it is
 * to judge.
 */
export class Witness {
  readonly #life: number;
  readonly #tell: (message: WorkerMessage) => void;
  readonly #partitions = new Map<number, Ownership>();
  delivered = 0;

  constructor(life: number, tell: (message: WorkerMessage) => void) {
    this.#life = life;
    this.#tell = tell;
  }

  /** Notes a delivery, which begins now. */
  stamp(partition: number, offset: number): Stamp {
    this.delivered += 1;
    const known = this.#partitions.get(partition);
    if (known?.owned === true) known.next = offset + 1;
    return { life: this.#life, generation: known?.owned === true ? known.generation : -1, deliveredAt: Date.now() };
  }

  /** What it has been given of the partitions it owns. */
  get positions(): OfPartition {
    return [...this.#partitions].flatMap(([partition, { owned, next }]) =>
      owned && next !== undefined ? [[partition, next] as const] : [],
    );
  }

  /** The default driver, watched. */
  readonly driver: KafkaDriver = {
    ...rdkafkaDriver,
    consumer: (properties, listener) =>
      this.#watched(
        rdkafkaDriver.consumer(properties, {
          ...listener,
          onAssign: (partitions) => {
            this.#assigned(partitions);
            return listener.onAssign(partitions);
          },
          onRevoke: (partitions) => {
            const served = listener.onRevoke(partitions);
            this.#revoked(partitions);
            return served;
          },
          ...(listener.onLost && {
            onLost: (partitions: readonly TopicPartition[]) => {
              const served = listener.onLost?.(partitions);
              this.#revoked(partitions);
              return served;
            },
          }),
        }),
      ),
  };

  #assigned(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      const generation = (this.#partitions.get(partition)?.generation ?? 0) + 1;
      this.#partitions.set(partition, { generation, owned: true, next: undefined });
    }
    this.#tell({ kind: "assigned", at: Date.now(), partitions: partitions.map(({ partition }) => partition) });
  }

  #revoked(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      const known = this.#partitions.get(partition);
      if (known) known.owned = false;
    }
    this.#tell({ kind: "revoked", at: Date.now(), partitions: partitions.map(({ partition }) => partition) });
  }

  #watched(client: ConsumerClient): ConsumerClient {
    const commit: ConsumerClient["commit"] = async (positions) => {
      await client.commit(positions);
      const committed = positions.map(({ partition, offset }) => [partition, offset] as const);
      this.#tell({ kind: "committed", at: Date.now(), positions: committed });
    };
    // A proxy, because the client's own methods reach for its private fields.
    return new Proxy(client, {
      get(target, name) {
        if (name === "commit") return commit;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  }
}
