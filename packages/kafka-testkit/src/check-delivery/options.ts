import type { RunnableGraph } from "@millrace/streams";
import type { SimulatedFaults } from "../simulated/faults.js";
import type { StoredRecord } from "../simulated/broker/log.js";
import type { DeliveryPlan } from "./delivery-plan.js";
import type { DeliveryInput, DeliveryWorld } from "./delivery-world.js";

/** Builds the graph of one life of a process. */
export type DeliveryPipeline = (world: DeliveryWorld) => RunnableGraph<unknown>;

/** What is promised, and how hard it is tested. */
export interface CheckDeliveryOptions {
  /**
   * `at-least-once`: every expected effect happens, and no position is committed before. `exactly-once`: every expected
   * effect is read exactly once from the output topic by a reader of committed records.
   */
  readonly guarantee: "at-least-once" | "exactly-once";
  /** Input records; default 6. */
  readonly records?: number;
  /** Partitions of the input and of the output; default 2. */
  readonly partitions?: number;
  /** Processes that share the work; default 1. */
  readonly processes?: 1 | 2;
  /** How many runs, at most; default 200. */
  readonly runs?: number;
  /** The seed of all draws; default 1. */
  readonly seed?: number;
  /** Kill at every single step of the first seed before drawing any; default true where there are 10 records or fewer. */
  readonly exhaustive?: boolean;
  /**
   * Whether a user steers, in runs drawn at random, as far as what the graph materialises can be steered: pauses and
   * resumes, seeks forward and back, replays from a time; and whether other members of the group come and go. What is
   * skipped on purpose needs no effect, and what is read again needs it again. Default false.
   */
  readonly steered?: boolean;
  /** Whether offsets between the input records hold none, as after compaction and behind transactions; default false. */
  readonly holes?: boolean;
  /** The effects each record has to have; default its id alone. None: the record may be left out. */
  readonly expected?: (input: DeliveryInput) => readonly string[];
  /** Which effect a record of the output topic is, if any; default its value as text. */
  readonly effectOf?: (record: StoredRecord) => string | undefined;
  /** The faults of every run in place of drawn ones. */
  readonly faults?: Partial<SimulatedFaults>;
  /**
   * How often `world.effect` rejects, from 0 to 1, in runs drawn at random. Left out, it does so in some of them only, for
   * several calls of a kind in any order. 0: never.
   */
  readonly effectErrorRate?: number;
  /** The most records that one kill may repeat; default: any number. */
  readonly maxReplay?: number;
  /** How long an undisturbed pipeline may get nothing done, in virtual ms; default 60 000. */
  readonly withinMs?: number;
  /** Passed to `run`, to check a graph that the graph check refuses. */
  readonly unsafe?: string;
  /** Makes this one run only: the plan of a `DeliveryCheckError`. */
  readonly replay?: DeliveryPlan;
}

/** The options with their defaults. */
export type Settings = Required<Omit<CheckDeliveryOptions, "faults" | "maxReplay" | "unsafe" | "replay">> &
  Pick<CheckDeliveryOptions, "faults" | "maxReplay" | "unsafe"> & {
    /** Whether several effects may fail. */
    readonly failing: boolean;
  };

const positive = (value: number, name: string): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`checkDelivery: ${name} is a whole number from 1 on, not ${value}.`);
};

export const settingsOf = (options: CheckDeliveryOptions): Settings => {
  const records = positive(options.records ?? 6, "records");
  return {
    guarantee: options.guarantee,
    records,
    partitions: positive(options.partitions ?? 2, "partitions"),
    processes: options.processes ?? 1,
    runs: positive(options.runs ?? 200, "runs"),
    seed: options.seed ?? 1,
    steered: options.steered ?? false,
    holes: options.holes ?? false,
    exhaustive: options.exhaustive ?? records <= 10,
    expected: options.expected ?? (({ id }) => [id]),
    effectOf: options.effectOf ?? (({ value }) => value?.toString()),
    effectErrorRate: options.effectErrorRate ?? 0,
    failing: options.effectErrorRate !== 0,
    withinMs: positive(options.withinMs ?? 60_000, "withinMs"),
    ...(options.faults && { faults: options.faults }),
    ...(options.maxReplay !== undefined && { maxReplay: options.maxReplay }),
    ...(options.unsafe !== undefined && { unsafe: options.unsafe }),
  };
};
