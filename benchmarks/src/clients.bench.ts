import { LocalKafka } from "@millrace/kafka-testkit";
import type { ClientCell, ClientRequest } from "./clients/cell.js";
import { type ClientName, clients, whyMissing } from "./clients/clients.js";
import { clientGoals, LOOP } from "./clients/goals.js";
import { type Bench, benchesOf, benchNames, clientsOf, LATENCY, titleOf } from "./clients/matrix.js";
import { PacedProducer } from "./clients/paced-producer.js";
import { BenchTopics } from "./clients/topics.js";
import { median } from "./engine/measure.js";
import { forkCell } from "./fork-cell.js";
import type { Row, Suite, SuiteOptions } from "./suite.js";

/** Of the slowest client's rate when it commits; without one, and at most, so many records a second. */
const LOAD = 0.5;
const MOST_PER_SECOND = 20_000;
const MOST_BYTES_PER_SECOND = 20_000_000;
const LATENCY_WARM_UP_S = 2;
const LATENCY_S = 6;

/** Clients that have no work of their own for a bench are measured under another name there. */
const SAME_AS_EXPLICIT: readonly string[] = ["consume", "produce"];

const takesPart = (client: ClientName, { name }: Bench): boolean =>
  client !== "millrace, with context" || !SAME_AS_EXPLICIT.includes(name);

const script = new URL("./clients/cell.js", import.meta.url);

const measured = (request: ClientRequest, onReads?: () => void): Promise<ClientCell> => {
  const { client, workload, size, partitions } = request;
  return forkCell(script, `${client}, ${workload}, ${size} B x ${partitions}`, request, onReads);
};

class ClientsRun {
  readonly #topics: BenchTopics;
  readonly #options: SuiteOptions;
  readonly #rows: Row[] = [];

  constructor(topics: BenchTopics, options: SuiteOptions) {
    this.#topics = topics;
    this.#options = options;
  }

  async run(): Promise<readonly Row[]> {
    for (const bench of benchesOf(this.#options)) await this.#bench(bench);
    return this.#rows;
  }

  async #bench(bench: Bench): Promise<void> {
    const all = clientsOf(this.#options).filter((client) => takesPart(client, bench));
    const present = all.filter((client) => whyMissing(client) === undefined);
    const cells = new Map<ClientName, ClientCell[]>(present.map((client) => [client, []]));
    const failures = new Map<ClientName, string>();
    for (let round = 0; round < bench.rounds; round++) {
      for (const client of round % 2 === 0 ? present : [...present].reverse()) {
        this.#options.progress(`${titleOf(bench)}: ${client} ${round + 1}/${bench.rounds}`);
        if (failures.has(client)) continue;
        try {
          const cell = await (bench.name === LATENCY ? this.#latency(bench, client) : this.#rate(bench, client));
          cells.get(client)?.push(cell);
        } catch (error) {
          // The others are still worth measuring; the run fails in the end.
          failures.set(client, String(error).split("\n")[0] ?? "");
        }
      }
    }
    for (const subject of all) {
      const missing = whyMissing(subject);
      const failure = failures.get(subject);
      const row = { bench: titleOf(bench), subject };
      if (missing !== undefined) this.#rows.push({ ...row, note: missing });
      else if (failure !== undefined) this.#rows.push({ ...row, note: `FAILED: ${failure}`, failed: true });
      else this.#rows.push(toRow(bench, subject, cells.get(subject) ?? [], cells.get(LOOP)));
    }
  }

  async #rate(bench: Bench, client: ClientName): Promise<ClientCell> {
    if (bench.name === LATENCY) throw new Error("latency is not a rate");
    const { name, records } = bench;
    const topics = this.#topics;
    const reads = name !== "produce";
    const writes = name === "produce" || name === "copy";
    const from = reads ? await topics.filled(bench, records) : "";
    const to = writes ? await topics.empty(bench) : "";
    const request = this.#request(bench, client, {
      from,
      to,
      records,
      warmUp: records / 4,
      rest: records / 4,
      workload: name,
      latency: false,
    });
    const cell = await measured(request);
    if (writes) await topics.checkWritten(client, to, bench, records);
    if (name === "commit" || name === "copy")
      await topics.checkCommitted(client, request.groupId, from, bench, records);
    if (writes) await topics.remove(to);
    return cell;
  }

  async #latency(bench: Bench, client: ClientName): Promise<ClientCell> {
    const topics = this.#topics;
    const perSecond = this.#pace(bench);
    const warmUp = perSecond * LATENCY_WARM_UP_S;
    const records = warmUp + perSecond * (this.#options.quick ? LATENCY_S / 2 : LATENCY_S);
    const from = await topics.empty(bench);
    const request = this.#request(bench, client, {
      from,
      to: "",
      records,
      warmUp,
      rest: 0,
      workload: "commit",
      latency: true,
    });
    const producer = new PacedProducer(topics.brokers, from, bench);
    let isRead = false;
    try {
      const measuring = measured(request, () => (isRead = true));
      const [cell] = await Promise.all([
        measuring,
        Promise.race([producer.run(perSecond, records, () => isRead), measuring]),
      ]);
      await topics.checkCommitted(client, request.groupId, from, bench, records);
      return cell;
    } finally {
      await producer.close();
      await topics.remove(from);
    }
  }

  #request(
    { partitions, size }: Bench,
    client: ClientName,
    own: Pick<ClientRequest, "from" | "to" | "records" | "warmUp" | "rest" | "workload" | "latency">,
  ): ClientRequest {
    const groupId = this.#topics.name(client.replaceAll(/[^a-z]+/g, "-"));
    return { client, brokers: this.#topics.brokers, groupId, partitions, size, ...own };
  }

  #pace(bench: Bench): number {
    const rates = this.#rows
      .filter((row) => row.bench === titleOf({ ...bench, name: "commit" }))
      .flatMap((row) => row.perSecond ?? []);
    const slowest = Math.min(...rates) * LOAD;
    return Math.floor(Math.min(slowest, MOST_PER_SECOND, MOST_BYTES_PER_SECOND / bench.size));
  }
}

const mediansOf = (cells: readonly ClientCell[], of: (cell: ClientCell) => number | undefined): number | undefined => {
  const values = cells.flatMap((cell) => of(cell) ?? []);
  return values.length === 0 ? undefined : median(values);
};

const toRow = (bench: Bench, subject: ClientName, cells: readonly ClientCell[], loop?: readonly ClientCell[]): Row => {
  const timed = bench.name === LATENCY;
  const figures = {
    p50Ms: mediansOf(cells, (cell) => cell.latencies?.p50Ms),
    p99Ms: mediansOf(cells, (cell) => cell.latencies?.p99Ms),
    maxMs: mediansOf(cells, (cell) => cell.latencies?.maxMs),
    // Ratios are taken round by round: what disturbed a round disturbed both.
    ratioToLoop:
      loop && !timed
        ? median(cells.map((cell, round) => cell.perSecond / (loop[round]?.perSecond ?? Number.NaN)))
        : undefined,
  };
  return {
    bench: titleOf(bench),
    subject,
    perSecond: median(cells.map((cell) => cell.perSecond)),
    ...Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined)),
    cpuSecondsPerMillion: median(cells.map((cell) => cell.cpuMicrosPerRecord)),
    peakRssMb: median(cells.map((cell) => cell.peakRssMb)),
    peakHeapMb: median(cells.map((cell) => cell.peakHeapMb)),
    ...(bench.name !== "consume" && { note: clients[subject].safe }),
  };
};

/** Kafka clients side by side on a real broker. */
export const suite: Suite = {
  benches: benchNames,
  notes: [
    "size of values x partitions; keys of 10 to 12 bytes. Every cell is a process of its own; every record is checked and counted, what was written is read back, what was committed is asked of the broker.",
    "consume: commits nothing. commit: commits what was looked at. copy: commits what is acknowledged. latency: as commit, from sent to looked at, at half of the slowest client's rate there, or 20 000 records or 20 MB a second.",
    "All producers wait for all replicas and are idempotent; commits by hand go one at a time, and what is done meanwhile goes into the next.",
  ],
  async run(options) {
    await using kafka = await LocalKafka.start();
    return await new ClientsRun(new BenchTopics(kafka), options).run();
  },
  goals: clientGoals,
};
