import { acrossCopies } from "@millrace/streams/stage";
import type { ClientProperties, ProducerClient, ProducerListener } from "../client/port.js";
import { HeldClient } from "../client/held-client.js";
import { RepeatedErrors } from "../client/repeated-errors.js";
import { KafkaConnectorError } from "../errors/errors.js";
import { loggerOf } from "../logging/logger-of.js";
import { SharedClient } from "./shared-client.js";
import type { KafkaSettings } from "../settings/kafka-settings.js";
import { type OwnClient, parseProducer } from "../settings/parse-producer.js";

/** Settings of the client that several flows, sinks and senders use. */
export interface SharedProducerSettings {
  readonly kafka: KafkaSettings;
  /** librdkafka properties of this producer, over those of `kafka`. */
  readonly properties?: ClientProperties;
}

/** One producer client for several users: give it to them as `producer`. */
export interface SharedProducer extends AsyncDisposable {
  /** Flows, sinks and senders that use it now. */
  readonly users: number;
  /**
   * Waits until what it has accepted is reported, then closes it; users that are still running fail with
   * `PRODUCER_CLOSED`, so end them first. Rejects with `FLUSH_TIMEOUT` when reports stay away; `drop: true` does not wait
   * for them. Idempotent.
   */
  close(options?: { readonly drop?: boolean }): Promise<void>;
}

const closedError = (): KafkaConnectorError =>
  new KafkaConnectorError("PRODUCER_CLOSED", "The shared producer is closed. Make a new one with sharedProducer().", {
    fatal: true,
  });

/** The client of a user that comes after `close`. */
const closedClient: ProducerClient = {
  outstanding: 0,
  connect: () => Promise.reject(closedError()),
  produceBatch: () => {
    throw closedError();
  },
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

class SharedClients implements SharedProducer {
  static {
    acrossCopies(this, "SharedClients");
  }

  readonly #held: HeldClient<SharedClient>;

  constructor({ kafka }: SharedProducerSettings, { driver, properties }: OwnClient) {
    const logger = loggerOf(kafka.logger);
    this.#held = new HeldClient(
      () => {
        const errors = new RepeatedErrors(logger, "kafka shared producer: client error");
        return new SharedClient({
          open: (listener) => driver.producer(properties, listener),
          onWarning: (error) => errors.warn(error),
          onEnd: (client) => this.#held.drop(client.close({ drop: true })),
        });
      },
      (error) => logger.error("kafka shared producer: closing failed", { error }),
    );
  }

  get users(): number {
    return this.#held.current?.users ?? 0;
  }

  open(listener: ProducerListener): ProducerClient {
    return this.#held.isClosed ? closedClient : this.#held.open().share(listener);
  }

  close({ drop = false }: { readonly drop?: boolean } = {}): Promise<void> {
    return this.#held.close(drop);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * A producer that several flows, sinks and `SendProducer`s use as their `producer`: one connection and one queue. Users
 * take turns, and each keeps the order of its own records. Connects when it is first used, and lives until its owner
 * closes it; no user does. An error that is fatal to it fails all of its users, and the next one connects anew.
 *
 * A user whose record fails stops, but what it had queued behind that record is sent all the same, for the queue is shared.
 *
 * @example
 * const producer = sharedProducer({ kafka: { brokers: "localhost:9092" }, properties: { "compression.type": "lz4" } });
 *
 * const audit = SendProducer.create({ producer, value: string() });
 */
export const sharedProducer = (settings: SharedProducerSettings): SharedProducer => {
  const { client } = parseProducer(settings, "sharedProducer");
  if (client) return new SharedClients(settings, client);
  throw new KafkaConnectorError(
    "INVALID_SETTINGS",
    "sharedProducer has a client of its own. Give kafka, and no producer.",
  );
};

/** A share of a shared producer. */
export const openShared = (producer: unknown, call: string): ((listener: ProducerListener) => ProducerClient) => {
  if (producer instanceof SharedClients) return (listener) => producer.open(listener);
  throw new KafkaConnectorError("INVALID_SETTINGS", `${call}: producer is not one. Make it with sharedProducer().`);
};
