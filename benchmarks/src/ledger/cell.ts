import { subjects, type Tracker } from "./subjects.js";
import { endOrders, IN_FLIGHT, offsetGaps } from "./workload.js";

/** What a child process is asked to measure, as JSON in its first argument; it answers a `LedgerCell` as JSON. */
export interface LedgerRequest {
  readonly bench: string;
  readonly subject: string;
  readonly blocks: number;
}

export interface LedgerCell {
  /** Of the watermarks seen on the way: equal for all that keep one. */
  readonly checksum: number;
  readonly nsPerElement: number;
  readonly bytesPerRecord: number;
}

const WARM_UP_BLOCKS = 10;
/**
 * Records from one look at the clock and at the watermark to the next. They are timed together: that is over before a busy
 * machine takes the processor away.
 */
const SLICE = 2000;

const usedBytes = (): number => {
  // Twice: what a first collection finds dead, a second gives back.
  for (let round = 0; round < 2; round++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** Of many short runs the faster ones count: what else the machine does makes runs slower, and never faster. */
const undisturbed = (times: readonly number[]): number =>
  [...times].sort((left, right) => left - right)[Math.floor(times.length / 4)] ?? Number.NaN;

/** Opens one record and ends another, so that as many are in flight before as after. */
class Window {
  readonly #tracker: Tracker;
  readonly #order: Int32Array;
  readonly #gaps = offsetGaps();
  /** Of the block that ends and of the one that opens. */
  #ending = new Int32Array(IN_FLIGHT);
  #opening = new Int32Array(IN_FLIGHT);
  #offset = 0;
  /** Of the clock, which a source reads once for many records. */
  #now = 0;
  checksum = 0;

  constructor(tracker: Tracker, order: Int32Array) {
    this.#tracker = tracker;
    this.#order = order;
  }

  fill(): void {
    for (let index = 0; index < IN_FLIGHT; index++) {
      this.#offset += this.#gaps[index & 1023] as number;
      this.#ending[index] = this.#tracker.open(this.#offset, this.#now);
    }
  }

  /** Slides by a whole block, and tells how long each slice of it took. */
  slide(): readonly number[] {
    const times: number[] = [];
    for (let slice = 0; slice < IN_FLIGHT; slice += SLICE) {
      const start = performance.now();
      this.#slide(slice);
      times.push(performance.now() - start);
    }
    [this.#ending, this.#opening] = [this.#opening, this.#ending];
    return times;
  }

  #slide(from: number): void {
    const tracker = this.#tracker;
    const order = this.#order;
    const gaps = this.#gaps;
    const ending = this.#ending;
    const opening = this.#opening;
    let offset = this.#offset;
    this.#now += 0.3;
    const now = this.#now;
    for (let index = from; index < from + SLICE; index++) {
      offset += gaps[index & 1023] as number;
      opening[index] = tracker.open(offset, now);
      tracker.end(ending[order[index] as number] as number);
    }
    this.checksum = (Math.imul(this.checksum, 31) + tracker.watermark()) | 0;
    this.#offset = offset;
  }
}

const measure = async ({ bench, subject, blocks }: LedgerRequest): Promise<LedgerCell> => {
  const track = subjects[subject];
  const order = endOrders[bench];
  if (!track || !order) throw new Error(`no such subject or bench: ${subject}, ${bench}`);
  const tracker = await track();
  const window = new Window(tracker, order(IN_FLIGHT));
  const before = usedBytes();
  window.fill();
  const bytesPerRecord = (usedBytes() - before) / IN_FLIGHT;
  for (let block = 0; block < WARM_UP_BLOCKS; block++) window.slide();
  const slices: (readonly number[])[] = [];
  for (let block = 0; block < blocks; block++) slices.push(window.slide());
  // Of each slice of the block apart, for a watermark that leaps makes some slower than others.
  const blockMs = (slices[0] ?? []).reduce((sum, _, at) => sum + undisturbed(slices.map((times) => times[at] ?? 0)), 0);
  return { checksum: window.checksum, nsPerElement: (blockMs / IN_FLIGHT) * 1e6, bytesPerRecord };
};

const cell = await measure(JSON.parse(process.argv[2] ?? "{}") as LedgerRequest);
process.stdout.write(JSON.stringify(cell));
