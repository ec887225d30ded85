import {
  type CommittableMessage,
  CommittableOffsetBatch,
  committableSource,
  committerSink,
  type Control,
  type KafkaDriver,
  type OutgoingRecord,
  passThrough,
  produce,
  type ProducerEnvelope,
  producerFlow,
  string,
  type CommittableOffset,
} from "@millrace/kafka";
import { type SimulatedFaults, SimulatedKafka } from "@millrace/kafka-testkit";
import { Keep } from "@millrace/streams";
import type { VirtualClock } from "@millrace/streams-testkit";
import { Random } from "../../../src/simulated/random.js";
import { passing, passUntil } from "./virtual-time.js";

const PARTITIONS = 3;

type Message = CommittableMessage<string, string>;
type Envelope = ProducerEnvelope<string, string, CommittableOffset | undefined>;

/** What a pipeline makes of a message: envelopes, one of which carries its offset. */
export type Split = (message: Message) => readonly Envelope[];

const outputOf = ({ record }: Message) => ({
  topic: "out",
  key: record.key,
  value: `${record.partition}:${record.offset}`,
});

/** The output carries the offset. */
export const afterOutput: Split = (message) => [produce(outputOf(message), message.offset)];

/** The offset goes before the output: wrong, and the world must see it. */
export const beforeOutput: Split = (message) => [passThrough(message.offset), produce(outputOf(message), undefined)];

interface Process {
  readonly clientId: string;
  readonly control: Control;
  readonly done: Promise<void>;
  ended: boolean;
  killed: boolean;
}

/** Two processes that copy topic `in` to `out`, the cluster they do it on, and a witness of what was acknowledged. */
export class CopyWorld {
  readonly kafka: SimulatedKafka;
  readonly history: string[] = [];
  /** Commits above what was acknowledged. */
  readonly violations: string[] = [];
  kills = 0;
  readonly #random: Random;
  readonly #clock: VirtualClock;
  readonly #strategy: string;
  readonly #split: Split;
  readonly #acknowledged = new Set<string>();
  readonly #processes: Process[] = [];
  readonly #running: (Process | undefined)[] = [undefined, undefined];
  #appended = 0;

  constructor(seed: number, clock: VirtualClock, strategy: string, faults: Partial<SimulatedFaults>, split: Split) {
    this.#random = new Random(seed + 1_000_000);
    this.#clock = clock;
    this.#strategy = strategy;
    this.#split = split;
    this.kafka = new SimulatedKafka({ seed, clock, faults, onEvent: (event) => this.#witness(event) });
    this.kafka.createTopic("in", PARTITIONS);
    this.kafka.createTopic("out", PARTITIONS);
  }

  /** Records come in, processes come, go and die, and brokers fail, at random. */
  async live(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.#append(this.#random.int(0, 8));
      for (const slot of [0, 1]) this.#act(slot);
      if (this.#random.happens(0.02)) this.kafka.outage(this.#random.int(10, 2000));
      await this.#clock.advance(this.#random.int(1, 150));
    }
  }

  /** Nothing fails any more; everything has to be copied and committed. */
  async settle(): Promise<void> {
    this.kafka.setFaults({ produceErrorRate: 0, ackLossRate: 0, commitErrorRate: 0, commitLossRate: 0 });
    const tended = (): boolean => {
      for (const slot of [0, 1]) this.#start(slot);
      return this.#allCommitted();
    };
    await passUntil(this.#clock, tended, "everything to be committed", 300_000);
    await passing(
      this.#clock,
      Promise.all(this.#processes.map(({ control }) => control.shutdown())),
      "an end",
      600_000,
    );
  }

  /** Input records without an output. */
  get missing(): readonly string[] {
    const stored = new Set(this.#outputs());
    return this.#inputs().filter((name) => !stored.has(name));
  }

  get duplicates(): number {
    return this.#outputs().length - new Set(this.#outputs()).size;
  }

  get runs(): number {
    return this.#processes.length;
  }

  #append(count: number): void {
    for (let index = 0; index < count; index++) {
      const partition = this.#random.int(0, PARTITIONS - 1);
      this.kafka.append("in", partition, { key: `k${this.#random.int(0, 20)}`, value: String(this.#appended++) });
    }
  }

  #act(slot: number): void {
    this.#start(slot);
    const process = this.#running[slot];
    if (!process) return;
    if (this.#random.happens(0.03)) this.#kill(slot, process);
    else if (this.#random.happens(0.03)) this.kafka.expire(process.clientId);
    else if (this.#random.happens(0.03)) {
      this.#running[slot] = undefined;
      void process.control.drainAndShutdown(process.done).catch(() => undefined);
    }
  }

  #kill(slot: number, process: Process): void {
    this.#running[slot] = undefined;
    process.killed = true;
    this.kills += 1;
    this.kafka.kill(process.clientId);
  }

  /** A process that has ended is followed by the next run, which knows only what is committed. */
  #start(slot: number): void {
    const running = this.#running[slot];
    if (running && !running.ended) return;
    const clientId = `p${slot}-${this.#processes.length}`;
    const process: Process = { clientId, ended: false, killed: false, ...this.#run(clientId) };
    const ended = (): void => {
      process.ended = true;
    };
    process.done.then(ended, ended);
    this.#processes.push(process);
    this.#running[slot] = process;
  }

  #run(clientId: string): Pick<Process, "control" | "done"> {
    const kafka = {
      brokers: "simulated:9092",
      groupId: "g",
      clientId,
      driver: this.#witnessed(),
      properties: { "session.timeout.ms": 1500, "partition.assignment.strategy": this.#strategy },
    };
    const random = this.#random;
    const [control, done] = committableSource<string, string>({
      kafka,
      topics: ["in"],
      value: string(),
      maxPollRecords: 20,
    })
      .mapAsync(4, (message) => this.#work(message))
      .mapConcat((message) => this.#split(message))
      .via(producerFlow<string, string, CommittableOffset | undefined>({ kafka, value: string(), parallelism: 50 }))
      .collect((result) => result.passThrough)
      .batch(
        20,
        (offset) => CommittableOffsetBatch.of(offset),
        (batch, offset) => batch.updated(offset),
      )
      .toMat(committerSink({ maxBatch: random.int(1, 20), maxIntervalMs: random.int(1, 200) }), Keep.both)
      .run({ clock: this.#clock });
    done.catch(() => undefined);
    return { control, done };
  }

  #work(message: Message): Promise<Message> {
    const delay = this.#random.int(0, 20);
    return new Promise((resolve) => void this.#clock.schedule(delay, () => resolve(message)));
  }

  /** The driver, but that acknowledgements are noted before the pipeline hears of them. */
  #witnessed(): KafkaDriver {
    const { driver } = this.kafka;
    return {
      ...driver,
      producer: (properties, listener) => {
        const sent = new Map<number, string>();
        const client = driver.producer(properties, {
          onError: (error) => listener.onError(error),
          onReports: (reports) => {
            reports.ids.forEach((id, index) => {
              if (reports.errors[index] === undefined) this.#acknowledged.add(sent.get(id) ?? "");
            });
            listener.onReports(reports);
          },
        });
        const produceBatch = client.produceBatch.bind(client);
        client.produceBatch = (records: readonly OutgoingRecord[], from, firstId) => {
          const accepted = produceBatch(records, from, firstId);
          for (let index = from; index < from + accepted; index++) {
            sent.set(firstId + index, String(records[index]?.value));
          }
          return accepted;
        };
        return client;
      },
    };
  }

  #witness(event: string): void {
    this.history.push(event);
    if (!event.includes("commit")) return;
    // The event comes just before the commit is stored, so the positions are those of the text.
    for (const [, partition, position] of event.matchAll(/in-(\d+)@(\d+)/g)) {
      const unacknowledged = Array.from({ length: Number(position) }, (_, offset) => `${partition}:${offset}`).filter(
        (name) => !this.#acknowledged.has(name),
      );
      if (unacknowledged.length > 0)
        this.violations.push(`${event}, but ${unacknowledged.join(" ")} are not acknowledged`);
    }
  }

  #allCommitted(): boolean {
    const committed = new Map(this.kafka.committed("g").map(({ partition, offset }) => [partition, offset]));
    return Array.from({ length: PARTITIONS }, (_, partition) => partition).every(
      (partition) => (committed.get(partition) ?? 0) === this.kafka.records("in", partition).length,
    );
  }

  #inputs(): string[] {
    return this.#all("in").map(({ partition, offset }) => `${partition}:${offset}`);
  }

  #outputs(): string[] {
    return this.#all("out").map(({ value }) => String(value));
  }

  #all(topic: string) {
    return Array.from({ length: PARTITIONS }, (_, partition) => this.kafka.records(topic, partition)).flat();
  }
}
