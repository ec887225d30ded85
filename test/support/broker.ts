/** A real Kafka for the tests in `test/broker`: one for the whole run, or one of a test's own; skipped aloud without. */
import { appendFileSync } from "node:fs";
import { LocalKafka, type LocalKafkaOptions } from "@millrace/kafka-testkit";

// The first start may download Kafka and compiles its classes on a cold disk.
const START_TIMEOUT_MS = 240_000;

let shared: Promise<LocalKafka> | undefined;
const printed = new Set<string>();

/** The cluster that all broker tests of a run share; call it in a `before` hook. Use topic and group names of your own. */
export async function brokerOrSkip(context: Mocha.Context): Promise<LocalKafka> {
  context.timeout(START_TIMEOUT_MS);
  const search = shared === undefined ? await LocalKafka.find() : undefined;
  if (search?.available === false) return skipWithReason(context, noBroker(search.reasons));
  shared ??= LocalKafka.start();
  const kafka = await shared;
  printOnce(`broker tests use ${kafka.description}`);
  return kafka;
}

/** A cluster of the caller's own, whose brokers it may kill; the caller stops it. */
export async function ownBrokersOrSkip(context: Mocha.Context, options: LocalKafkaOptions = {}): Promise<LocalKafka> {
  context.timeout(START_TIMEOUT_MS);
  const wanted: LocalKafkaOptions = { kinds: ["jvm"], ...options };
  const search = await LocalKafka.find(wanted);
  if (!search.available) return skipWithReason(context, noBroker(search.reasons));
  const kafka = await LocalKafka.start(wanted);
  printOnce(`broker tests that kill brokers use ${kafka.description}`);
  return kafka;
}

/**
 * Skips the test, or all tests of the suite whose hook it is called from, for want of a broker, or of something else that
 * only some machines have, and says why on stderr; adds a line `<title>\t<reason>` for each to the file that
 * MILLRACE_SKIP_LOG names. With MILLRACE_REQUIRE_BROKER=1 it fails instead.
 */
export function skipWithReason(context: Mocha.Context, reason: string): never {
  if (process.env["MILLRACE_REQUIRE_BROKER"] === "1") throw new Error(`MILLRACE_REQUIRE_BROKER=1, but ${reason}`);
  const log = process.env["MILLRACE_SKIP_LOG"];
  const titles = skippedTitles(context.test);
  process.stderr.write(`skipped (${titles.length}): ${reason}\n`);
  if (log) appendFileSync(log, titles.map((title) => `${title}\t${reason}\n`).join(""));
  return context.skip();
}

function skippedTitles(runnable: Mocha.Runnable | undefined): readonly string[] {
  if (runnable === undefined) return [];
  // A hook's own title would hide how many tests are lost with it. The type is one of mocha's untyped properties.
  const { type } = runnable as { readonly type?: string };
  if (type !== "hook" || runnable.parent === undefined) return [runnable.fullTitle()];
  const titles: string[] = [];
  runnable.parent.eachTest((test) => void titles.push(test.fullTitle()));
  return titles;
}

function noBroker(reasons: readonly string[]): string {
  return `no real Kafka can be run here (${reasons.join("; ")})`.replace(/\s+/g, " ");
}

function printOnce(line: string): void {
  if (!printed.has(line)) process.stderr.write(`${line}\n`);
  printed.add(line);
}

// At the top level of a module that test files import, this is a hook of the root suite.
after(async function stopSharedBroker() {
  this.timeout(60_000);
  await (await shared?.catch(() => undefined))?.stop();
});
