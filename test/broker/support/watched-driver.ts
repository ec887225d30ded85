import { type ConsumerClient, type KafkaDriver, rdkafkaDriver, type TopicPartition } from "@millrace/kafka";

/** What a consumer's client was told and has done, as seen between Millrace and the client. */
export interface ClientEvents {
  /** Before Millrace hears of it. */
  assigned(partitions: readonly number[]): void;
  /** When Millrace has heard of it: from now on nothing of them may be delivered. */
  takenAway(partitions: readonly number[]): void;
  /** When Millrace has answered, before the partitions go to others. */
  givenUp(partitions: readonly number[], how: "revoked" | "lost", afterMs: number): void;
  /** The broker has acknowledged it. */
  committed(positions: readonly (readonly [partition: number, position: number])[]): void;
  /** The commit of these partitions was refused, or not answered. */
  refused(partitions: readonly number[], error: unknown): void;
}

const numbersOf = (partitions: readonly TopicPartition[]): readonly number[] =>
  partitions.map(({ partition }) => partition);

/** The default driver, watched: depends on nothing that it is used to judge. It makes one consumer. */
export class WatchedDriver {
  readonly #events: ClientEvents;
  client: ConsumerClient | undefined;

  constructor(events: ClientEvents) {
    this.#events = events;
  }

  readonly driver: KafkaDriver = {
    ...rdkafkaDriver,
    consumer: (properties, listener) => {
      const client = rdkafkaDriver.consumer(properties, {
        ...listener,
        onAssign: (partitions) => {
          this.#events.assigned(numbersOf(partitions));
          return listener.onAssign(partitions);
        },
        onRevoke: (partitions) => this.#goes("revoked", partitions, () => listener.onRevoke(partitions)),
        onLost: (partitions) => this.#goes("lost", partitions, () => listener.onLost?.(partitions)),
      });
      this.client = client;
      return this.#watched(client);
    },
  };

  async #goes(
    how: "revoked" | "lost",
    partitions: readonly TopicPartition[],
    serve: () => Promise<void> | void,
  ): Promise<void> {
    const began = performance.now();
    const served = serve();
    this.#events.takenAway(numbersOf(partitions));
    await served;
    this.#events.givenUp(numbersOf(partitions), how, performance.now() - began);
  }

  #watched(client: ConsumerClient): ConsumerClient {
    const commit: ConsumerClient["commit"] = async (positions) => {
      try {
        await client.commit(positions);
      } catch (error) {
        this.#events.refused(numbersOf(positions), error);
        throw error;
      }
      this.#events.committed(positions.map(({ partition, offset }) => [partition, offset] as const));
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
