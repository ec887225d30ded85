import { parseArgs } from "node:util";
import type { PipelineName } from "./protocol.js";

/** The pipelines that each choice runs: one life takes the next of what the one before it took. */
const CHOICES = {
  explicit: ["explicit"],
  followed: ["keys", "groups", "unordered"],
  mixed: ["explicit", "keys", "explicit", "groups", "explicit", "unordered"],
  broken: ["broken"],
} as const satisfies Record<string, readonly PipelineName[]>;

type Choice = keyof typeof CHOICES;

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly records: number;
  readonly processes: number;
  readonly pipeline: Choice;
}

const CHOICE_NAMES = Object.keys(CHOICES) as readonly Choice[];
const RECORDS_PER_MINUTE = 100_000;

export const USAGE = `Usage: pnpm soak [options]

  --minutes <n>     how long records are produced and processes disturbed; default 60
  --seed <n>        draws what is done to whom and when; default: a new one, which is printed
  --records <n>     how many, over the whole time; default ${RECORDS_PER_MINUTE} a minute
  --processes <n>   default 3
  --pipeline <name> explicit, followed, mixed (default), or broken, which loses records and must be found out
  --help            print this and end
`;

const number = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new Error(`--${name} takes a number from ${least} to ${most}, not '${text}'`);
};

const whole = (name: string, text: string, least: number, most: number): number => {
  const value = number(name, text, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`--${name} takes a whole number, not '${text}'`);
};

/** Undefined where help is wanted. */
export const parseOptions = (args: readonly string[]): SoakOptions | undefined => {
  const { values } = parseArgs({
    // pnpm hands on a `--` in front of the options.
    args: args[0] === "--" ? args.slice(1) : [...args],
    options: {
      minutes: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      records: { type: "string" },
      processes: { type: "string", default: "3" },
      pipeline: { type: "string", default: "mixed" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const minutes = number("minutes", values.minutes, 0.1, 24 * 60);
  const pipeline = CHOICE_NAMES.find((each) => each === values.pipeline);
  if (pipeline === undefined) throw new Error(`--pipeline takes ${CHOICE_NAMES.join(", ")}, not '${values.pipeline}'`);
  return {
    minutes,
    seed: whole("seed", values.seed, 0, 2 ** 32 - 1),
    records: whole("records", values.records ?? String(Math.round(minutes * RECORDS_PER_MINUTE)), 1, 100_000_000),
    processes: whole("processes", values.processes, 1, 8),
    pipeline,
  };
};

/** What the process of that number runs. */
export const pipelineOf = ({ pipeline }: SoakOptions, life: number): PipelineName => {
  const names: readonly PipelineName[] = CHOICES[pipeline];
  return names[life % names.length] ?? "explicit";
};

/** What repeats a run. */
export const commandOf = ({ minutes, seed, records, processes, pipeline }: SoakOptions): string =>
  `pnpm soak --seed ${seed} --minutes ${minutes} --records ${records} --processes ${processes} --pipeline ${pipeline}`;
