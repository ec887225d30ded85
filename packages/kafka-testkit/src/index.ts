export { EmbeddedKafka, type EmbeddedKafkaOptions } from "./embedded/embedded-kafka.js";
export { KafkaTestkitError, type KafkaTestkitErrorCode } from "./errors.js";
export type { LocalBroker, LocalKafkaKind, LocalKafkaOptions } from "./local/backend.js";
export { LocalKafka, type CreateTopicOptions, type LocalKafkaSearch } from "./local/local-kafka.js";
export type { DelayRange, SimulatedFaults } from "./simulated/faults.js";
export type { Isolation, StoredRecord } from "./simulated/partition-log.js";
export { type AppendedRecord, SimulatedKafka, type SimulatedKafkaOptions } from "./simulated/simulated-kafka.js";
