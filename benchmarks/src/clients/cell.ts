import { getHeapStatistics } from "node:v8";
import { answerCell } from "../fork-cell.js";
import { type ClientName, clients } from "./clients.js";
import type { ClientJob, Workload } from "./job.js";
import { type Latencies, LatencyWatch, spread } from "./latency-watch.js";
import { sentMsOf, Tally } from "./records.js";

/** One measurement: a process of its own, asked and answered by messages. */
export interface ClientRequest
  extends Pick<ClientJob, "brokers" | "groupId" | "from" | "to" | "partitions" | "records" | "size"> {
  readonly client: ClientName;
  readonly workload: Workload;
  /** The first records are not timed: joining the group, connecting, compiling. */
  readonly warmUp: number;
  /** Nor are the last. */
  readonly rest: number;
  /** Records come while they are read, so their ways are timed, and it is told when the first has come. */
  readonly latency: boolean;
}

export interface ClientCell {
  readonly perSecond: number;
  readonly cpuMicrosPerRecord: number;
  /** The most that the process ever had. */
  readonly peakRssMb: number;
  /** The most that was seen in use, garbage included. */
  readonly peakHeapMb: number;
  readonly latencies?: Latencies;
}

const HEAP_LOOK_MS = 20;
const MB = 2 ** 20;

/**
 * From the end of the warm-up to where the rest begins: at both ends a client has read ahead as far as it does, so nothing
 * that is timed was read before, and nothing read is left out.
 */
class Window {
  readonly #from: number;
  readonly #to: number;
  #begun: { readonly at: number; readonly cpu: NodeJS.CpuUsage; readonly count: number } | undefined;
  #peakHeap = 0;
  readonly #timer: NodeJS.Timeout;
  #cell: ClientCell | undefined;

  constructor({ warmUp, rest, records }: ClientRequest) {
    this.#from = warmUp;
    this.#to = records - rest;
    this.#timer = setInterval(() => this.#look(), HEAP_LOOK_MS).unref();
  }

  get cell(): ClientCell | undefined {
    return this.#cell;
  }

  /** So many records are done with. */
  done(count: number): void {
    if (this.#begun === undefined) {
      if (count >= this.#from) this.#begun = { at: performance.now(), cpu: process.cpuUsage(), count };
      return;
    }
    if (count < this.#to || this.#cell !== undefined) return;
    const { at, cpu } = this.#begun;
    const timed = count - this.#begun.count;
    const ms = performance.now() - at;
    const { user, system } = process.cpuUsage(cpu);
    this.#look();
    clearInterval(this.#timer);
    this.#cell = {
      perSecond: (timed / ms) * 1000,
      cpuMicrosPerRecord: (user + system) / timed,
      peakRssMb: process.resourceUsage().maxRSS / 1024,
      peakHeapMb: this.#peakHeap / MB,
    };
  }

  #look(): void {
    this.#peakHeap = Math.max(this.#peakHeap, getHeapStatistics().used_heap_size);
  }
}

const measure = async (request: ClientRequest, onReads: () => void): Promise<ClientCell> => {
  const { works } = await clients[request.client].load();
  const work = works[request.workload];
  if (!work) throw new Error(`${request.client} has no workload ${request.workload} of its own`);
  let resolve = (): void => undefined;
  let reject = (_error: unknown): void => undefined;
  const finished = new Promise<void>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  finished.catch(() => undefined);
  const window = new Window(request);
  const tally = new Tally(request.records, request.size);
  const watch = request.latency ? new LatencyWatch(request.warmUp) : undefined;
  const onDone = (done: number): void => {
    window.done(done);
    if (done >= request.records) resolve();
  };
  await work({
    ...request,
    finished,
    onDone,
    onFailure: reject,
    process: (value) => {
      if (value === null) throw new Error("a record has no value");
      tally.add(value);
      if (watch) watch.add(sentMsOf(value));
      if (watch && tally.distinct === 1) onReads();
      if (request.workload === "consume") onDone(tally.distinct);
    },
  });
  if (request.workload !== "produce") tally.close(`${request.client}, ${request.workload}`);
  if (!window.cell) throw new Error("too few records: they were done with all at once");
  return watch ? { ...window.cell, latencies: spread(watch.ms) } : window.cell;
};

answerCell(measure);
