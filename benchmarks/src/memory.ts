import { Sink, Source } from "@millrace/streams";

// Passes 10^8 elements (or as many as the first argument says) through ten stages and fails when the heap grows.
// Beyond the test suite's patience; it runs the same stages over 10^7.

const ELEMENTS = Number(process.argv[2] ?? 100_000_000);
const LIMIT_MB = 150;
const SAMPLE_EVERY = 1_000_000;
const MB = 2 ** 20;

let peak = 0;
let seen = 0;
const started = performance.now();
const passed = await Source.unfold(0, (n) => (n === ELEMENTS ? undefined : [n + 1, n]))
  .map((n) => n + 1)
  .filter(() => true)
  .map((n) => n - 1)
  .collect((n) => n)
  .filterNot(() => false)
  .mapConcat((n) => [n])
  .takeWhile(() => true)
  .drop(1)
  .take(ELEMENTS)
  .scan(0, (_state, n) => n)
  .runWith(
    Sink.fold(0, (count) => {
      seen += 1;
      if (seen % SAMPLE_EVERY === 0) peak = Math.max(peak, process.memoryUsage().heapUsed);
      return count + 1;
    }),
  );
const seconds = (performance.now() - started) / 1000;

console.log(
  `${passed} elements through 10 stages in ${seconds.toFixed(1)} s, at most ${(peak / MB).toFixed(0)} MB of heap (limit ${LIMIT_MB})`,
);
if (passed !== ELEMENTS || peak / MB > LIMIT_MB) process.exitCode = 1;
