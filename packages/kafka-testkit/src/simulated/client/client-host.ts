import type { TopicPartition } from "@millrace/kafka";
import type { Group } from "../broker/group.js";
import type { Cure } from "./positions.js";
import type { Simulation } from "../simulation.js";
import type { Topics } from "../broker/topics.js";
import type { TransactionCoordinator } from "../broker/transactions.js";

/** What the cluster does to a client. */
export interface SimulatedClient {
  readonly clientId: string;
  kill(): void;
  /** Its group forgets it, while it goes on; absent where a client is in no group. */
  expire?(): void;
  /** Its coordinator takes it for another; absent where a client is no static member of the classic protocol. */
  fence?(): void;
  /** It stops fetching a partition until `cure`; answers whether it reads it. Absent where a client reads nothing. */
  hang?(partition: TopicPartition, cure: Cure): boolean;
  onOutage(error: Error): void;
}

/** What a client needs of its cluster. */
export interface ClientHost {
  readonly simulation: Simulation;
  readonly topics: Topics;
  readonly transactions: TransactionCoordinator;
  group(id: string): Group;
  remove(client: SimulatedClient): void;
}
