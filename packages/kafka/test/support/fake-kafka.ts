import type { ClientProperties, ConsumerListener, KafkaDriver, ProducerListener } from "../../src/client/port.js";
import { FakeConsumer } from "./fake-consumer.js";
import { FakeProducer } from "./fake-producer.js";
import type { KafkaSettings } from "../../src/settings/kafka-settings.js";

/** A driver whose clients do what the test says, and record every call. */
export class FakeKafka implements KafkaDriver {
  readonly name = "fake";
  commitsMetadata = true;
  sendsBytesInHeaders = true;
  readonly consumers: FakeConsumer[] = [];
  readonly producers: FakeProducer[] = [];
  /** Prepares each client before it is used. */
  onConsumer: (consumer: FakeConsumer) => void = () => undefined;
  onProducer: (producer: FakeProducer) => void = () => undefined;
  topicAdmin?: NonNullable<KafkaDriver["topicAdmin"]>;

  /** Settings that lead here. */
  get settings(): KafkaSettings & { readonly groupId: string } {
    return { brokers: "fake:9092", groupId: "g", driver: this };
  }

  consumer(properties: ClientProperties, listener: ConsumerListener): FakeConsumer {
    const consumer = new FakeConsumer(properties, listener);
    this.onConsumer(consumer);
    this.consumers.push(consumer);
    return consumer;
  }

  producer(properties: ClientProperties, listener: ProducerListener): FakeProducer {
    const producer = new FakeProducer(properties, listener);
    this.onProducer(producer);
    this.producers.push(producer);
    return producer;
  }

  /** The latest consumer. */
  get client(): FakeConsumer {
    const consumer = this.consumers.at(-1);
    if (!consumer) throw new Error("no source has been run");
    return consumer;
  }

  /** The latest producer. */
  get sender(): FakeProducer {
    const producer = this.producers.at(-1);
    if (!producer) throw new Error("no producer flow has been run");
    return producer;
  }

  /** Throws when the connector broke a rule of the port. */
  verify(): void {
    const violations = this.consumers.flatMap((consumer) => consumer.violations);
    if (violations.length > 0) throw new Error(`rules of the port broken: ${violations.join("; ")}`);
  }
}
