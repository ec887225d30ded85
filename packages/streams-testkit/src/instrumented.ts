import type { RunOptions } from "@millrace/streams";
import { chunkStage, type Pull, Run } from "@millrace/streams/stage";
import { arbitraryChunking } from "./arbitrary-chunking.js";
import { checked, type Checks } from "./checked.js";

/** Options of a checked run. */
export interface Instrumented extends RunOptions, Checks {
  readonly wrap: Checks["wrap"];
  /** Absent: checked without re-chunking. */
  readonly seed: number | undefined;
}

export interface InstrumentedOptions extends Omit<RunOptions, "wrap"> {
  readonly seed?: number | undefined;
}

/** Options for a run with checks on every outlet, and with random chunks between two of them when a seed is given. */
export const instrumented = ({ seed, ...options }: InstrumentedOptions = {}): Instrumented => {
  const checks = checked(seed === undefined ? "" : `[seed ${seed}] `);
  if (seed === undefined) return { ...options, ...checks, seed };
  const rechunk = arbitraryChunking(seed);
  return {
    ...options,
    ...checks,
    seed,
    wrap: (outlet, stage) => {
      const inner = checks.wrap(outlet, stage);
      return checks.wrap(rechunk(inner, stage), `${stage} (re-chunked)`);
    },
  };
};

/** The seeds tests use by default; `undefined` means checked only, without re-chunking. */
export const SEEDS: readonly (number | undefined)[] = [undefined, 1, 2, 3, 4, 5];

/** Options like a checked run's that leave the outlets alone: some stages do better when they know each other. */
const bare = (): Instrumented => ({ ...checked(), seed: undefined, wrap: (outlet) => outlet });

const copying = chunkStage<unknown, unknown>("copy", () => ({
  onChunk(input, out) {
    for (const element of input) out.push(element);
  },
}));

/** For stages that never use their run. */
const idle = Run.create();
idle.abandon(undefined);

/**
 * Puts a synchronous stage behind every outlet, as there is one in most pipelines: the stage behind it then owns its chunks
 * and changes them in place.
 */
const behindStages = (): Instrumented => ({
  ...checked(),
  seed: undefined,
  wrap: <A>(outlet: Pull<A>) => copying.create(outlet, idle) as Pull<A>,
});

/**
 * Runs `block` plain, then with a synchronous stage behind every outlet, then once per seed with fresh options, and verifies
 * the checks after each; a failure's message begins with the seed that shows it.
 */
export const forSeeds = async (
  block: (options: Instrumented) => Promise<void>,
  seeds: readonly (number | undefined)[] = SEEDS,
): Promise<void> => {
  for (const options of [bare(), behindStages(), ...seeds.map((seed) => instrumented({ seed }))]) {
    try {
      await block(options);
      options.verify();
    } catch (error) {
      const { seed } = options;
      if (error instanceof Error && seed !== undefined && !error.message.startsWith("[seed")) {
        error.message = `[seed ${seed}] ${error.message}`;
      }
      throw error;
    }
  }
};
