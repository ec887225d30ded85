import type { ClientProperties } from "@millrace/kafka";
import { SimulatedKafka } from "@millrace/kafka-testkit";
import type { VirtualClock } from "@millrace/streams-testkit";
import { Random } from "../../../src/simulated/random.js";
import { Member } from "./member.js";
import { Sender } from "./sender.js";
import { passing } from "./virtual-time.js";

const FAULTS = {
  latencyMs: [0, 10],
  appendDelayMs: [0, 30],
  ackDelayMs: [0, 60],
  commitDelayMs: [0, 80],
  transactionDelayMs: [0, 40],
  markerDelayMs: [0, 40],
  produceErrorRate: 0.02,
  ackLossRate: 0.02,
  requestLossRate: 0.1,
  answerLossRate: 0.1,
  partialAcceptRate: 0.2,
  commitErrorRate: 0.05,
  commitLossRate: 0.05,
  commitRefusalRate: 0.01,
  transactionErrorRate: 0.05,
  transactionTimeoutRate: 0.05,
} as const;

const BROKERS = 3;
const TURNS = 40;

/** A cluster with everything that the simulation knows, drawn at random. */
export class WildWorld {
  readonly history: string[] = [];
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #kafka: SimulatedKafka;
  readonly #members: Member[] = [];
  readonly #senders: Sender[] = [];

  constructor(seed: number, clock: VirtualClock) {
    this.#clock = clock;
    this.#random = new Random(seed + 77);
    const onEvent = (event: string): void => void this.history.push(event);
    this.#kafka = new SimulatedKafka({
      seed,
      clock,
      brokers: BROKERS,
      heartbeatIntervalMs: 200,
      faults: FAULTS,
      onEvent,
    });
    this.#kafka.createTopic("t", 3);
  }

  async live(steps: number): Promise<void> {
    for (let count = 0; count < steps; count++) {
      if (this.#happens(0.15)) this.#join();
      if (this.#happens(0.1)) this.#send();
      this.#disturb();
      this.#commit();
      if (this.#happens(0.05))
        void this.#anyMember()
          ?.close()
          .catch(() => undefined);
      await this.#clock.advance(this.#int(1, 150));
    }
  }

  /** Closes everything; what each member was told and has read ends the history. */
  async end(): Promise<void> {
    this.#kafka.setFaults({ transactionTimeoutRate: 0 });
    const clients = [
      ...this.#members.map((each) => each.close()),
      ...this.#senders.map(({ client }) => client.close({ drop: true })),
    ];
    await passing(this.#clock, Promise.allSettled(clients), "all clients to close", 600_000);
    this.history.push(...this.#members.map(({ told, read }) => `${told.join(" ")} | ${read.join(" ")}`));
  }

  #join(): void {
    const strategy = this.#happens(0.5) ? "range" : "cooperative-sticky";
    const kinds: readonly ClientProperties[] = [
      { "group.id": `classic-${strategy}`, "partition.assignment.strategy": strategy, "session.timeout.ms": 1500 },
      { "group.id": "static", "group.instance.id": `i${this.#int(0, 2)}`, "session.timeout.ms": 1500 },
      { "group.id": "modern", "group.protocol": "consumer" },
      { "group.id": "dirty", "group.protocol": "consumer", "isolation.level": "read_uncommitted" },
    ];
    const properties = { ...kinds[this.#int(0, 3)], "topic.metadata.refresh.interval.ms": 700 };
    this.#members.push(new Member(this.#kafka, `m${this.#members.length}`, properties, true).start());
  }

  #send(): void {
    const kinds: readonly ClientProperties[] = [
      { "transactional.id": `x${this.#int(0, 1)}` },
      {},
      { "enable.idempotence": false },
    ];
    const made = new Sender(this.#kafka, `p${this.#senders.length}`, kinds[this.#int(0, 2)]);
    this.#senders.push(made);
    // A killed producer is not answered, and a closed one throws: either ends its life.
    this.#produce(made).catch(() => undefined);
  }

  async #produce(sender: Sender): Promise<void> {
    await sender.client.connect();
    const { transactions } = sender.client;
    const tried = (call: Promise<void> | undefined): Promise<void> => call?.catch(() => undefined) ?? Promise.resolve();
    await tried(transactions?.init(500));
    for (let turn = 0; turn < TURNS; turn++) {
      await tried(transactions?.begin());
      try {
        sender.send("t", this.#int(0, 2), `${turn}`, `${turn}+`);
      } catch {
        // Not in a transaction, or fenced: what follows is refused as well, which belongs to the history.
      }
      const consumer = this.#anyMember()?.client;
      const positions = [{ topic: "t", partition: 0, offset: turn }];
      if (consumer) await tried(transactions?.sendOffsets(positions, consumer, 300));
      await tried(this.#happens(0.7) ? transactions?.commit(400) : transactions?.abort(400));
      await new Promise<void>((resolve) => void this.#clock.schedule(50, resolve));
    }
  }

  #commit(): void {
    const position = { topic: "t", partition: 0, offset: 1 };
    this.#anyMember()
      ?.client.commit([position])
      .catch(() => undefined);
  }

  #disturb(): void {
    const kafka = this.#kafka;
    if (this.#happens(0.03)) kafka.kill(`m${this.#int(0, 20)}`);
    if (this.#happens(0.03)) kafka.kill(`p${this.#int(0, 10)}`);
    if (this.#happens(0.05)) kafka.expire(`m${this.#int(0, 20)}`);
    if (this.#happens(0.02)) kafka.restartBroker(this.#int(1, BROKERS), this.#int(10, 3000));
    if (this.#happens(0.01)) kafka.outage(this.#int(10, 1000));
    if (this.#happens(0.01)) kafka.addPartitions("t", 1);
    if (this.#happens(0.02)) kafka.skipOffsets("t", 0, 2);
    if (this.#happens(0.02)) kafka.deleteRecords("t", 1, this.#int(0, 40));
  }

  #anyMember(): Member | undefined {
    return this.#members[this.#int(0, this.#members.length)];
  }

  #int(low: number, high: number): number {
    return this.#random.int(low, high);
  }

  #happens(rate: number): boolean {
    return this.#random.happens(rate);
  }
}
