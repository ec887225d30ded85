/** `pnpm soak`: real processes on a real Kafka, killed at random, and an oracle that knows what must come out. */
import { LocalKafka } from "@millrace/kafka-testkit";
import { commandOf, parseOptions, type SoakOptions, USAGE } from "./options.js";
import { reportOf } from "./report.js";
import { Soak } from "./soak.js";

const CLOSE_WITHIN_MS = 30_000;

const interrupted = (): Promise<never> =>
  new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => reject(new Error(`Interrupted by ${signal}.`)));
    }
    process.once("uncaughtException", reject);
    process.once("unhandledRejection", reject);
  });

const tooSlow = (): Promise<never> =>
  new Promise((_, reject) => {
    setTimeout(() => reject(new Error("Cleaning up took too long.")), CLOSE_WITHIN_MS).unref();
  });

const messageOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** The exit code. */
const soak = async (options: SoakOptions): Promise<number> => {
  console.log(`seed ${options.seed}: ${commandOf(options)}`);
  const search = await LocalKafka.find();
  if (!search.available) {
    const isRequired = process.env["MILLRACE_REQUIRE_BROKER"] === "1";
    console.log(`no real Kafka can be run here (${search.reasons.join("; ")})`);
    console.log(isRequired ? "0 passed, 1 failed, 0 skipped" : "0 passed, 0 failed, 1 skipped");
    return isRequired ? 1 : 0;
  }
  const run = new Soak(options, (text) => console.log(text));
  let report: string;
  let code = 1;
  try {
    const verdict = await Promise.race([run.run(), interrupted()]);
    report = reportOf(verdict, options);
    code = verdict.passed ? 0 : 1;
  } catch (error) {
    report = `\nNo verdict, seed ${options.seed}: ${messageOf(error)}\n0 passed, 1 failed, 0 skipped`;
  }
  await Promise.race([run.close(), tooSlow()]).catch((error: unknown) => {
    console.log(messageOf(error));
    code = 1;
  });
  console.log(report);
  return code;
};

const main = async (): Promise<number> => {
  let options: SoakOptions | undefined;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options !== undefined) return soak(options);
  console.log(USAGE.trimEnd());
  return 0;
};

process.exit(await main());
