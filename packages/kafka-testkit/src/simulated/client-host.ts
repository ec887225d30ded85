import type { GroupCoordinator } from "./group-coordinator.js";
import type { Simulation } from "./simulation.js";
import type { Topics } from "./topics.js";

/** What the cluster does to a client. */
export interface SimulatedClient {
  readonly clientId: string;
  kill(): void;
  /** Its group forgets it, while it goes on; absent where a client is in no group. */
  expire?(): void;
  onOutage(error: Error): void;
}

/** What a client needs of its cluster. */
export interface ClientHost {
  readonly simulation: Simulation;
  readonly topics: Topics;
  group(id: string): GroupCoordinator;
  remove(client: SimulatedClient): void;
}
