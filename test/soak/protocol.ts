/** What the harness and its worker processes tell each other. */
import type { ClientProperties } from "@millrace/kafka";

/**
 * - `explicit`: the offset is carried along; keeps the order of a partition.
 * - `keys`, `groups`, `unordered`: the offset follows; the first two keep the order of a key, the last one none.
 * - `broken`: commits before its output is acknowledged, which the oracle has to find.
 */
export type PipelineName = "explicit" | "keys" | "groups" | "unordered" | "broken";

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
  /** Of that, what the collector keeps for the heap, in use or not: it is taken and given back in large steps. */
  readonly heapTotalBytes: number;
  readonly cpuMs: number;
  readonly delivered: number;
}
