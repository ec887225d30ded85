import { Flow, Join, Keep, Sink, Source } from "@millrace/streams";
import fc from "fast-check";

/** One step of a random pipeline: the operator, and what it means, as a lazy generator over single elements. */
export interface Step {
  readonly name: string;
  readonly flow: () => Flow<number, number, unknown>;
  readonly model: (elements: Iterable<number>) => Iterable<number>;
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

function* mapped(elements: Iterable<number>, f: (n: number) => Iterable<number>): Iterable<number> {
  for (const n of elements) yield* f(n);
}

function* counted(elements: Iterable<number>, passes: (index: number) => boolean, last = Infinity): Iterable<number> {
  if (last === 0) return;
  let index = 0;
  for (const n of elements) {
    if (passes(index)) yield n;
    index += 1;
    if (index >= last) return;
  }
}

function* until(elements: Iterable<number>, holds: (n: number) => boolean): Iterable<number> {
  for (const n of elements) {
    if (!holds(n)) return;
    yield n;
  }
}

function* states(elements: Iterable<number>, f: (state: number, n: number) => number): Iterable<number> {
  let state = 0;
  yield state;
  for (const n of elements) {
    state = f(state, n);
    yield state;
  }
}

function* final(elements: Iterable<number>): Iterable<number> {
  let sum = 0;
  for (const n of elements) sum += n;
  yield sum;
}

function* withSum(elements: Iterable<number>): Iterable<number> {
  let sum = 0;
  try {
    for (const n of elements) {
      sum += n;
      yield sum;
    }
  } catch (error) {
    yield -sum;
    throw error;
  }
  yield -sum;
}

function* groups(elements: Iterable<number>, size: number): Iterable<number> {
  let group: number[] = [];
  for (const n of elements) {
    group.push(n);
    if (group.length === size) {
      yield* group;
      yield size;
      group = [];
    }
  }
  if (group.length > 0) {
    yield* group;
    yield group.length;
  }
}

function* recovered(elements: Iterable<number>): Iterable<number> {
  try {
    yield* elements;
  } catch {
    yield -1;
  }
}

const identity = (elements: Iterable<number>): Iterable<number> => elements;
const numbers = (): Flow<number, number> => Flow.of<number>();
const small = fc.nat(5);

/** Operators whose output follows from their input alone, also when the input fails. */
export const synchronousStep: fc.Arbitrary<Step> = fc.oneof(
  small.map(
    (k): Step => ({
      name: `map(+${k})`,
      flow: () => numbers().map((n) => n + k),
      model: (elements) => mapped(elements, (n) => [n + k]),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `filter(not a multiple of ${k + 1})`,
      flow: () => numbers().filter((n) => n % (k + 1) !== 0),
      model: (elements) => mapped(elements, (n) => (n % (k + 1) !== 0 ? [n] : [])),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `filterNot(multiple of ${k + 2})`,
      flow: () => numbers().filterNot((n) => n % (k + 2) === 0),
      model: (elements) => mapped(elements, (n) => (n % (k + 2) === 0 ? [] : [n])),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `collect(above ${k})`,
      flow: () => numbers().collect((n) => (n > k ? n * 2 : undefined)),
      model: (elements) => mapped(elements, (n) => (n > k ? [n * 2] : [])),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `mapConcat(${k} times)`,
      flow: () => numbers().mapConcat((n) => Array.from({ length: k }, () => n)),
      model: (elements) => mapped(elements, (n) => Array.from({ length: k }, () => n)),
    }),
  ),
  fc.nat(60).map(
    (k): Step => ({
      name: `take(${k})`,
      flow: () => numbers().take(k),
      model: (elements) => counted(elements, () => true, k),
    }),
  ),
  fc.nat(30).map(
    (k): Step => ({
      name: `takeWhile(below ${k * 4})`,
      flow: () => numbers().takeWhile((n) => n < k * 4),
      model: (elements) => until(elements, (n) => n < k * 4),
    }),
  ),
  fc.nat(20).map(
    (k): Step => ({
      name: `drop(${k})`,
      flow: () => numbers().drop(k),
      model: (elements) => counted(elements, (index) => index >= k),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `scan(modulo ${k + 7})`,
      flow: () => numbers().scan(0, (state, n) => (state + n) % (k + 7)),
      model: (elements) => states(elements, (state, n) => (state + n) % (k + 7)),
    }),
  ),
  fc.constant<Step>({
    name: "statefulMap(sums, then the last negated)",
    flow: () =>
      numbers().statefulMap(
        () => 0,
        (sum, n) => [sum + n, sum + n],
        (sum) => -sum,
      ),
    model: withSum,
  }),
  fc.constant<Step>({
    name: "fold(sum)",
    flow: () => numbers().fold(0, (sum, n) => sum + n),
    model: final,
  }),
  small.map(
    (k): Step => ({
      name: `grouped(${k + 1})`,
      flow: () =>
        numbers()
          .grouped(k + 1)
          .mapConcat((group) => [...group, group.length]),
      model: (elements) => groups(elements, k + 1),
    }),
  ),
  fc.constant<Step>({ name: "log", flow: () => numbers().log("law", { logger: silent }), model: identity }),
  fc.constant<Step>({ name: "watchTermination", flow: () => numbers().watchTermination(Keep.right), model: identity }),
  fc.constant<Step>({ name: "recover", flow: () => numbers().recover(() => -1), model: recovered }),
  small.map(
    (k): Step => ({
      name: `divertTo(a sink, multiples of ${k + 2})`,
      flow: () => numbers().divertTo(Sink.ignore, (n) => n % (k + 2) === 0),
      model: (elements) => mapped(elements, (n) => (n % (k + 2) === 0 ? [] : [n])),
    }),
  ),
  fc.constant<Step>({ name: "alsoTo", flow: () => numbers().alsoTo(Sink.ignore), model: identity }),
  small.map(
    (k): Step => ({
      name: `concat(${k} more)`,
      flow: () => numbers().concat(Source.from(Array.from({ length: k }, (_, n) => n))),
      *model(elements) {
        yield* elements;
        for (let n = 0; n < k; n++) yield n;
      },
    }),
  ),
  fc.constant<Step>({
    name: "broadcast, zipped",
    flow: () =>
      numbers()
        .broadcast([numbers(), numbers().map((n) => -n)], Join.zip<number>())
        .mapConcat((row) => row),
    model: (elements) => mapped(elements, (n) => [n, -n]),
  }),
);

/** Further operators whose output follows from their input as long as nothing fails. */
export const asynchronousStep: fc.Arbitrary<Step> = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map(
    (parallelism): Step => ({
      name: `mapAsync(${parallelism})`,
      flow: () =>
        numbers().mapAsync(parallelism, async (n) => {
          for (let turn = 0; turn < Math.abs(n) % 4; turn++) await Promise.resolve();
          return n + 1;
        }),
      model: (elements) => mapped(elements, (n) => [n + 1]),
    }),
  ),
  fc.tuple(fc.integer({ min: 1, max: 8 }), small).map(
    ([parallelism, waiting]): Step => ({
      name: `mapAsyncPartitioned(${parallelism}, ${waiting} wait)`,
      flow: () =>
        numbers().mapAsyncPartitioned(
          parallelism,
          (n) => n % 3,
          async (n) => {
            for (let turn = 0; turn < Math.abs(n) % 4; turn++) await Promise.resolve();
            return n + 1;
          },
          { waiting },
        ),
      model: (elements) => mapped(elements, (n) => [n + 1]),
    }),
  ),
  small.map(
    (k): Step => ({
      name: `partition(multiples of ${k + 2} to a flow that drops them)`,
      flow: () =>
        numbers().partition(
          [numbers(), numbers().filter(() => false)],
          (n) => (n % (k + 2) === 0 ? 1 : 0),
          Join.merge(),
        ),
      model: (elements) => mapped(elements, (n) => (n % (k + 2) === 0 ? [] : [n])),
    }),
  ),
  fc.integer({ min: 1, max: 8 }).map(
    (bound): Step => ({
      name: `buffer(${bound})`,
      flow: () => numbers().buffer(bound),
      model: identity,
    }),
  ),
  fc.constant<Step>({
    name: "batch",
    flow: () =>
      numbers()
        .batch(
          5,
          (n) => [n],
          (batch, n) => [...batch, n],
        )
        .mapConcat((batch) => batch),
    model: identity,
  }),
  fc.nat(60).map(
    (k): Step => ({
      name: `zip(${k} others)`,
      flow: () =>
        numbers()
          .zip(Source.from(Array.from({ length: k }, (_, n) => n)))
          .map(([left, right]) => left + right),
      *model(elements) {
        let index = 0;
        for (const n of counted(elements, () => true, k)) yield n + index++;
      },
    }),
  ),
  synchronousStep,
);

/** Puts steps one behind the other. */
export const pipeline = (steps: readonly Step[]): Flow<number, number, unknown> =>
  steps.reduce<Flow<number, number, unknown>>((flow, step) => flow.via(step.flow()), numbers());

/** What a pipeline means. */
export const meaning = (steps: readonly Step[], elements: Iterable<number>): Iterable<number> =>
  steps.reduce((input, step) => step.model(input), elements);
