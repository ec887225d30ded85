/** `pnpm demo`: the command line of the demo. */
import { parseArgs } from "node:util";
import { Demo, type DemoOptions } from "./demo.js";
import { Meter } from "./meter.js";
import { ordersPipeline } from "./pipeline.js";

const USAGE = `Usage: pnpm demo [options]

  --no-crash        let the pipeline run undisturbed; by default it is killed in the middle and started again
  --brokers <list>  run on the Kafka cluster at host:port[,host:port…] instead of an embedded one
  --orders <n>      how many orders, 1 to 50000; default 20000
  --seed <n>        another seed makes other orders; default 1
  --graph           print the pipeline as a Mermaid flowchart and end
  --help            print this and end
`;

const DEADLINE_MS = 120_000;
const CLOSE_WITHIN_MS = 15_000;

type Command = { readonly kind: "help" | "graph" } | { readonly kind: "run"; readonly options: DemoOptions };

const wholeNumber = (name: string, text: string, least: number, most: number): number => {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new Error(`--${name} takes a whole number from ${least} to ${most}, not '${text}'`);
};

const parse = (args: readonly string[]): Command => {
  const { values } = parseArgs({
    // pnpm hands on a `--` in front of the options.
    args: args[0] === "--" ? args.slice(1) : [...args],
    options: {
      "no-crash": { type: "boolean", default: false },
      brokers: { type: "string" },
      orders: { type: "string", default: "20000" },
      seed: { type: "string", default: "1" },
      graph: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return { kind: "help" };
  if (values.graph) return { kind: "graph" };
  const options = {
    // The embedded Kafka keeps 5 MB of a partition; more orders would not fit.
    orders: wholeNumber("orders", values.orders, 1, 50_000),
    seed: wholeNumber("seed", values.seed, 0, 2 ** 32 - 1),
    brokers: values.brokers,
    crash: !values["no-crash"],
  };
  return { kind: "run", options };
};

/** Building a graph starts nothing, so it can be drawn without a Kafka. */
const graph = (): string =>
  ordersPipeline({
    kafka: { brokers: "localhost:9092", groupId: "orders" },
    topics: { orders: "orders", lines: "order-lines" },
    membership: {},
    enrich: () => Promise.resolve([]),
    finished: new Meter().finished,
  }).describe("mermaid");

const interrupted = (): Promise<never> =>
  new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => reject(new Error(`Interrupted by ${signal}.`)));
    }
  });

const late = (afterMs: number, what: string): Promise<never> =>
  new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`Gave up after ${afterMs / 1_000} s: ${what} did not end.`)), afterMs).unref();
  });

/** The exit code. */
const run = async (options: DemoOptions): Promise<number> => {
  const demo = new Demo(options, process.stdout);
  let code = 1;
  try {
    const tooLate = late(DEADLINE_MS, "the step after the last one above");
    const verdict = await Promise.race([demo.run(), interrupted(), tooLate]);
    code = verdict.passed ? 0 : 1;
  } catch (error) {
    console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  }
  await Promise.race([demo.close(), late(CLOSE_WITHIN_MS, "cleaning up")]).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    code = 1;
  });
  return code;
};

const main = async (): Promise<number> => {
  let command: Command;
  try {
    command = parse(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (command.kind === "run") return run(command.options);
  console.log(command.kind === "help" ? USAGE.trimEnd() : graph());
  return 0;
};

process.exit(await main());
