import type { TopicPartitionOffset } from "../../src/client/port.js";
import type { FakeRecord } from "./fake-chunk.js";
import { FakeKafka } from "./fake-kafka.js";
import type { FakeCommit, FakeConsumer } from "./fake-consumer.js";
import type { SentRecord } from "./fake-producer.js";
import { KafkaConnectorError } from "@millrace/kafka";
import type { Random } from "./random.js";

/** Records of each partition. */
const RECORDS = 40;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Feeds a pipeline with records that say how many outputs they make, acknowledges outputs and commits in random order,
 * and checks at each commit call that every record below the position has all its outputs acknowledged (I1, I2, I9, I10).
 */
export class PipelineBench {
  readonly kafka: FakeKafka = new FakeKafka();
  readonly violations: string[] = [];
  readonly #random: Random;
  /** How many outputs record `offset` of partition `index` makes. */
  readonly #outputs: readonly (readonly number[])[];
  /** By partition: the next record to give, the group's position, and whether the consumer owns it. */
  readonly #partitions = [0, 1].map((partition) => ({ partition, next: 0, committed: 0, owned: false }));
  readonly #acknowledged = new Set<string>();
  #unacknowledged: SentRecord[] = [];
  #unanswered: FakeCommit[] = [];
  /** Everything is acknowledged and answered at once: the run comes to its end. */
  #eager = false;
  #rebalancing = false;

  constructor(random: Random) {
    this.#random = random;
    this.#outputs = [0, 1].map(() => Array.from({ length: RECORDS }, () => random.pick(0, 1, 1, 1, 2, 3)));
    this.kafka.onProducer = (producer) => {
      producer.capacity = random.pick(1, 3, 1000);
      producer.onSent = (sent) => {
        this.#unacknowledged.push(...sent);
        if (this.#eager) setImmediate(() => this.#acknowledgeAll());
      };
    };
    this.kafka.onConsumer = (consumer) => {
      const commit = consumer.commit.bind(consumer);
      consumer.commit = (positions) => {
        this.#check(positions);
        return commit(positions);
      };
      consumer.onCommit = (each) => {
        this.#unanswered.push(each);
        if (this.#eager) this.#answer();
      };
    };
  }

  get #client(): FakeConsumer {
    return this.kafka.client;
  }

  get committed(): readonly number[] {
    return this.#partitions.map(({ committed }) => committed);
  }

  #check(positions: readonly TopicPartitionOffset[]): void {
    for (const { partition, offset: position } of positions) {
      if (!this.#partitions[partition]?.owned) this.violations.push(`commit of ${partition}@${position}, not owned`);
      for (let offset = 0; offset < position; offset++) {
        const outputs = this.#outputs[partition]?.[offset] ?? 0;
        for (let output = 0; output < outputs; output++) {
          if (this.#acknowledged.has(`${partition}:${offset}:${output}`)) continue;
          this.violations.push(
            `commit of ${partition}@${position} before output ${output} of ${offset} was acknowledged`,
          );
        }
      }
    }
  }

  async #assign(partition: number): Promise<void> {
    const state = this.#partitions[partition]!;
    // Owned from the moment the connector hears of it.
    state.owned = true;
    state.next = state.committed;
    await this.#client.assign({ topic: "t", partition });
  }

  async #revoke(partition: number): Promise<void> {
    await this.#client.revoke({ topic: "t", partition });
    this.#partitions[partition]!.owned = false;
  }

  #give(): void {
    const given: FakeRecord[] = [];
    for (const state of this.#partitions) {
      const count = state.owned ? Math.min(this.#random.int(0, 8), RECORDS - state.next) : 0;
      for (let index = 0; index < count; index++) {
        const offset = state.next++;
        const value = String(this.#outputs[state.partition]![offset]);
        given.push({ topic: "t", partition: state.partition, offset, value });
      }
    }
    this.#client.give(given);
  }

  #acknowledge({ id, record }: SentRecord): void {
    this.#acknowledged.add(String(record.value));
    this.kafka.sender.acknowledge(id);
  }

  #acknowledgeSome(): void {
    for (let count = this.#random.int(1, 5); count > 0 && this.#unacknowledged.length > 0; count--) {
      const index = this.#random.once(2) ? 0 : this.#random.int(0, this.#unacknowledged.length - 1);
      for (const sent of this.#unacknowledged.splice(index, 1)) this.#acknowledge(sent);
    }
  }

  #acknowledgeAll(): void {
    for (const sent of this.#unacknowledged.splice(0)) this.#acknowledge(sent);
  }

  #answer(): void {
    for (const commit of this.#unanswered.splice(0)) {
      if (!this.#eager && this.#random.once(8)) {
        commit.fail(new KafkaConnectorError("COMMIT_FAILED", "try again", { retriable: true }));
        continue;
      }
      for (const { partition, offset } of commit.positions) {
        const state = this.#partitions[partition]!;
        if (offset < state.committed) this.violations.push(`commit of ${partition} back to ${offset} (I7)`);
        state.committed = Math.max(state.committed, offset);
      }
      commit.acknowledge();
    }
  }

  /** Fails an output that is under way, if there is any. */
  failOutput(error: Error): void {
    const [sent] = this.#unacknowledged.splice(0, 1);
    if (sent) this.kafka.sender.fail(sent.id, error);
  }

  /** Random acts; revocations run beside the others, as they do. */
  async play(acts: number): Promise<void> {
    const rebalances: Promise<void>[] = [];
    await Promise.all([this.#assign(0), this.#assign(1)]);
    for (let act = 0; act < acts; act++) {
      const chosen = this.#random.int(0, 19);
      if (chosen < 6) this.#give();
      else if (chosen < 12) this.#acknowledgeSome();
      else if (chosen < 16) this.#answer();
      else if (chosen === 16 && rebalances.length < 4) rebalances.push(this.#rebalance());
      else await turn();
    }
    this.#eager = true;
    this.#answer();
    this.#acknowledgeAll();
    await Promise.all(rebalances);
  }

  /** A client serves one rebalance after the other. */
  async #rebalance(): Promise<void> {
    const partition = this.#random.pick(0, 1);
    if (this.#rebalancing) return;
    this.#rebalancing = true;
    await this.#revoke(partition);
    for (let turns = this.#random.int(0, 5); turns > 0; turns--) await turn();
    await this.#assign(partition);
    this.#rebalancing = false;
  }

  /** Gives all there is; answers and acknowledgements come by themselves. */
  async finish(): Promise<void> {
    while (this.#partitions.some(({ owned, next }) => owned && next < RECORDS)) {
      this.#give();
      await turn();
    }
  }

  /** Every record was given, acknowledged and committed. */
  get complete(): boolean {
    return this.#partitions.every(({ committed }) => committed === RECORDS);
  }
}
