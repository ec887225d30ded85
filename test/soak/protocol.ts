/** What the harness and its worker processes tell each other. */
import type { ClientProperties } from "@millrace/kafka";

/** - `broken`: commits before its output is acknowledged, which the oracle has to find. */
export type PipelineName = "explicit" | "followed" | "broken";

/** The only argument of a worker process, in JSON. */
export interface Job {
  readonly brokers: string;
  readonly groupId: string;
  readonly from: string;
  readonly to: string;
  readonly pipeline: PipelineName;
  readonly life: number;
  readonly seed: number;
  readonly properties: ClientProperties;
}

/** Position or generation of a partition. */
export type OfPartition = readonly (readonly [partition: number, value: number])[];

/** Every message carries the moment it is about, because messages of several processes arrive in any order. */
export type WorkerMessage = { readonly at: number } & (
  | { readonly kind: "assigned" | "revoked"; readonly partitions: readonly number[] }
  /** Acknowledged by the broker. */
  | { readonly kind: "committed"; readonly positions: OfPartition }
  | { readonly kind: "progress"; readonly delivered: number }
  | { readonly kind: "sample"; readonly sample: Sample }
  /** The stream has ended: what was delivered of partitions it still owned must never be delivered again. */
  | { readonly kind: "drained"; readonly positions: OfPartition }
  | { readonly kind: "failed"; readonly error: string }
);

/** Taken after a full collection. */
export interface Sample {
  readonly at: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly cpuMs: number;
  readonly delivered: number;
}
