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
/** Records from one look at the clock and at the watermark to the next. */
const BATCH = 1024;

const usedBytes = (): number => {
  // Twice: what a first collection finds dead, a second gives back.
  for (let round = 0; round < 2; round++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

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

  slide(): void {
    const tracker = this.#tracker;
    const order = this.#order;
    const gaps = this.#gaps;
    const ending = this.#ending;
    const opening = this.#opening;
    let offset = this.#offset;
    let now = this.#now;
    for (let index = 0; index < IN_FLIGHT; index++) {
      offset += gaps[index & 1023] as number;
      if (index % BATCH === 0) {
        now += 0.3;
        this.checksum = (Math.imul(this.checksum, 31) + tracker.watermark()) | 0;
      }
      opening[index] = tracker.open(offset, now);
      tracker.end(ending[order[index] as number] as number);
    }
    this.#offset = offset;
    this.#now = now;
    this.#ending = opening;
    this.#opening = ending;
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
  const times: number[] = [];
  for (let block = 0; block < blocks; block++) {
    const start = performance.now();
    window.slide();
    times.push(performance.now() - start);
  }
  times.sort((left, right) => left - right);
  // Of many short runs the faster ones count: what else the machine does makes runs slower, and never faster.
  const undisturbed = times[Math.floor(blocks / 4)] as number;
  return { checksum: window.checksum, nsPerElement: (undisturbed / IN_FLIGHT) * 1e6, bytesPerRecord };
};

const cell = await measure(JSON.parse(process.argv[2] ?? "{}") as LedgerRequest);
process.stdout.write(JSON.stringify(cell));
