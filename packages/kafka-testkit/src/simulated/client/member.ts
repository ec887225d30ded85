import type { KafkaConnectorError } from "@millrace/kafka";
import type { MemberIdentity } from "../broker/group.js";
import type { OwnerOptions } from "./owned-partitions.js";

export interface MemberOptions extends OwnerOptions {
  readonly instanceId: string | undefined;
  readonly reads: (topic: string) => boolean;
  readonly sessionTimeoutMs: number;
  readonly maxPollIntervalMs: number;
  /** There is something to serve, or it was served. */
  readonly wake: () => void;
  readonly fail: (error: KafkaConnectorError) => void;
}

/** A consumer's side of its group, by either protocol. */
export interface Member {
  /** Under which it commits. */
  readonly current: MemberIdentity | undefined;
  /** A handler of the listener is at work: meanwhile the client delivers nothing, not even what it has fetched. */
  readonly busy: boolean;
  /** Partitions are being given up, and are still owned. */
  readonly revoking: boolean;
  join(): void;
  /** Begins with what has been said, unless a handler is still at work; called by polls only. */
  serve(): void;
  /** Looks whether topics have come, or grown. */
  refresh(): void;
  /** The process is gone: it serves nothing more, and its session runs out. */
  kill(): void;
  /** The network to the coordinator fails for longer than a session, while the process lives. */
  expire(): void;
  /** Its coordinator takes it for an old one; with KIP-848 they are distinguished by the epoch, not the id. */
  fence?(): void;
  /** The client noticed that it did not poll for too long, and leaves by itself. */
  quit(): void;
  /** Gives everything up. A static member does not leave its place, so that it may come back to what it had. */
  leave(): Promise<void>;
}
