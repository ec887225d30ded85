import { type ClientName, clientNames } from "./clients.js";
import { type Workload, workloads } from "./job.js";
import type { SuiteOptions } from "../suite.js";
import type { TopicShape } from "./topics.js";

export const LATENCY = "latency";

export type BenchName = Workload | typeof LATENCY;

export const benchNames: readonly BenchName[] = [...workloads, LATENCY];

/** One table. */
export interface Bench extends TopicShape {
  readonly name: BenchName;
  readonly rounds: number;
  readonly records: number;
}

const SIZES = [100, 500, 5000];
const PARTITIONS = [1, 8, 100];
const MAIN: TopicShape = { size: 100, partitions: 8 };

/** The rest of a cross through the main shape. */
const CROSS: readonly TopicShape[] = [
  { size: 500, partitions: 8 },
  { size: 5000, partitions: 8 },
  { size: 100, partitions: 1 },
  { size: 100, partitions: 100 },
];

/** So many that a client which reads ahead as far as librdkafka does not have them all at once. */
const recordsOf = (size: number): number => (size >= 5000 ? 60_000 : size >= 500 ? 320_000 : 400_000);

const isMain = ({ size, partitions }: TopicShape): boolean => size === MAIN.size && partitions === MAIN.partitions;

const shapes = ({ full, quick, sizes, partitions }: SuiteOptions): readonly TopicShape[] => {
  if (full || sizes || partitions) {
    const chosen = sizes ?? (full ? SIZES : [MAIN.size]);
    return chosen.flatMap((size) =>
      (partitions ?? (full ? PARTITIONS : [MAIN.partitions])).map((each) => ({ size, partitions: each })),
    );
  }
  return quick ? [MAIN] : [MAIN, ...CROSS];
};

/**
 * Every bench on the main shape; beside it consume and commit, which differ most, on a cross of the others. With `full`, or
 * sizes or partitions chosen, every bench on every shape; latency comes last, since its pace follows from the rates.
 */
export const benchesOf = (options: SuiteOptions): readonly Bench[] => {
  const { only, quick } = options;
  const chosen = options.full || options.sizes !== undefined || options.partitions !== undefined;
  return benchNames
    .filter((name) => only.includes(name))
    .flatMap((name) =>
      shapes(options)
        .filter((shape) => chosen || isMain(shape) || name === "commit")
        .map((shape) => ({
          name,
          ...shape,
          rounds: options.rounds ?? (quick ? 1 : chosen || isMain(shape) ? 3 : 2),
          records: recordsOf(shape.size),
        })),
    );
};

export const clientsOf = ({ subjects }: SuiteOptions): readonly ClientName[] => {
  const unknown = subjects?.find((name) => !(clientNames as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`no such client: ${unknown}; there are ${clientNames.join("; ")}`);
  return subjects === undefined ? clientNames : clientNames.filter((name) => subjects.includes(name));
};

export const titleOf = ({ name, size, partitions }: Bench): string => `${name}, ${size} B x ${partitions}`;
