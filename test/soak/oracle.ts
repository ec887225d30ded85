import type { PipelineName } from "./protocol.js";
import { keyOf, type Output, partitionOf, partsOf } from "./records.js";
import { Timeline } from "./timeline.js";

/** A law, as the oracle judges it while it listens. */
export type OracleLaw = "authentic" | "committed" | "monotonic" | "owned" | "ordered";

/** An output of something that had an output already. */
export interface Repetition extends Output {
  /** The life whose output of it came before. */
  readonly previousLife: number;
}

const EXAMPLES = 5;

/** How often a law was broken, and the first examples. */
export class Violations {
  count = 0;
  readonly examples: string[] = [];

  add(text: string): void {
    this.count += 1;
    if (this.examples.length < EXAMPLES) this.examples.push(text);
  }
}

const place = ({ partition, offset, number }: Output): string => `record ${number} (${partition}@${offset})`;

/**
 * Knows what went in, what came out and what was committed, and compares. It learns of it by clients of its own: the
 * producer's acknowledgements, the output topic read from its beginning, the group's committed positions.
 *
 * To compare a committed position with the outputs: 1. read the positions; 2. then write a mark behind the outputs; 3. read
 * up to it; 4. now all below the positions must have its outputs, because they were acknowledged before the commit.
 */
export class Oracle {
  readonly #partitions: number;
  readonly #pipelineOf: (life: number) => PipelineName | undefined;
  /** By partition, the number of the record at each offset. */
  readonly #numbers: number[][];
  /** Bit `part` is set once that output of the record was seen. */
  readonly #seen: Uint8Array;
  readonly #lastLife: Uint16Array;
  /** By life, generation and partition: the place after the newest output, for those that keep the order. */
  readonly #places = new Map<string, { offset: number; part: number }>();
  /** By life, generation and key: the newest number. */
  readonly #newest = new Map<string, Map<number, number>>();
  /** By partition: all below was found to have its outputs. */
  readonly #verified: number[];
  readonly #committed: number[];
  readonly broken: Readonly<Record<OracleLaw, Violations>>;
  readonly repetitions: Repetition[] = [];
  /** By partition, as read and as workers were told. */
  readonly timelines: readonly Timeline[];
  outputs = 0;
  /** Records all of whose outputs were seen. */
  complete = 0;

  constructor(partitions: number, records: number, pipelineOf: (life: number) => PipelineName | undefined) {
    const each = <T>(make: () => T): T[] => Array.from({ length: partitions }, make);
    this.#partitions = partitions;
    this.#pipelineOf = pipelineOf;
    this.#numbers = each(() => []);
    this.#verified = each(() => 0);
    this.#committed = each(() => 0);
    this.timelines = each(() => new Timeline());
    this.#seen = new Uint8Array(records);
    this.#lastLife = new Uint16Array(records);
    const none = (): Violations => new Violations();
    this.broken = { authentic: none(), committed: none(), monotonic: none(), owned: none(), ordered: none() };
  }

  /** By partition, where the input ends as far as it is acknowledged. */
  get ends(): readonly number[] {
    return this.#numbers.map(({ length }) => length);
  }

  /** By partition, the position last read. */
  get committed(): readonly number[] {
    return this.#committed;
  }

  acknowledged(number: number, partition: number, offset: number): void {
    const numbers = this.#numbers[partition];
    if (numbers !== undefined) numbers[offset] = number;
  }

  output(output: Output, partition: number): void {
    this.outputs += 1;
    const { number, part } = output;
    const isKnown =
      number >= 0 &&
      number < this.#seen.length &&
      part >= 0 &&
      part < partsOf(number) &&
      output.partition === partition &&
      partition === partitionOf(number, this.#partitions);
    if (!isKnown) return this.broken.authentic.add(`partition ${partition} holds ${JSON.stringify(output)}`);
    if (output.generation < 0) this.broken.owned.add(`${place(output)} by process ${output.life}`);
    this.#judgeOrder(output);
    const seen = this.#seen[number] ?? 0;
    const bit = 1 << part;
    if ((seen & bit) !== 0) this.repetitions.push({ ...output, previousLife: this.#lastLife[number] ?? 0 });
    this.#seen[number] = seen | bit;
    this.#lastLife[number] = output.life;
    if (seen !== (seen | bit) && this.#isComplete(number)) this.complete += 1;
  }

  /** Positions as read at a moment; every output acknowledged before it has been given to `output`. */
  positions(at: number, positions: readonly number[]): void {
    positions.forEach((position, partition) => {
      const before = this.#committed[partition] ?? 0;
      if (position < before) this.broken.monotonic.add(`partition ${partition} went from ${before} to ${position}`);
      this.#committed[partition] = position;
      this.timelines[partition]?.add(at, Math.max(before, position));
      this.#verify(partition, position);
    });
  }

  /** Numbers of acknowledged records that miss an output, and how many there are. */
  lost(): Violations {
    const lost = new Violations();
    this.#numbers.forEach((numbers, partition) => {
      numbers.forEach((number, offset) => {
        if (!this.#isComplete(number)) lost.add(`record ${number} (${partition}@${offset})`);
      });
    });
    return lost;
  }

  #isComplete(number: number): boolean {
    return this.#seen[number] === (1 << partsOf(number)) - 1;
  }

  #verify(partition: number, position: number): void {
    const numbers = this.#numbers[partition] ?? [];
    let offset = this.#verified[partition] ?? 0;
    for (; offset < position; offset++) {
      const number = numbers[offset];
      // Its acknowledgement was late or lost, and comes when the producer has asked again.
      if (number === undefined) break;
      if (this.#isComplete(number)) continue;
      this.broken.committed.add(
        `${position} is committed, but record ${number} (${partition}@${offset}) has no output`,
      );
    }
    this.#verified[partition] = offset;
  }

  /** Within one assignment: `explicit` keeps a partition's order without a gap, `keys` and `groups` that of a key. */
  #judgeOrder(output: Output): void {
    const { life, generation, partition, offset, number, part } = output;
    const pipeline = this.#pipelineOf(life);
    if (generation < 0 || pipeline === "unordered" || pipeline === "broken") return;
    const assignment = `${life}/${generation}/${partition}`;
    if (pipeline === "explicit") {
      const next = this.#places.get(assignment) ?? { offset, part: 0 };
      if (offset !== next.offset || part !== next.part) {
        this.broken.ordered.add(
          `process ${life} made output ${part} of ${place(output)} where ${next.offset} was expected`,
        );
      }
      const isLast = part === partsOf(number) - 1;
      this.#places.set(assignment, isLast ? { offset: offset + 1, part: 0 } : { offset, part: part + 1 });
      return;
    }
    let newest = this.#newest.get(assignment);
    if (newest === undefined) this.#newest.set(assignment, (newest = new Map<number, number>()));
    const key = keyOf(number);
    const before = newest.get(key) ?? -1;
    if (number < before) this.broken.ordered.add(`process ${life} made ${place(output)} after ${before} of its key`);
    newest.set(key, Math.max(before, number));
  }
}
