import type {
  ClientProperties,
  KafkaDriver,
  Subscription,
  TopicPartition,
  TopicPartitionOffset,
} from "@millrace/kafka";
import type { Cluster, OtherProcess, Surroundings } from "./cluster.js";
import { Member } from "./member.js";
import { Sender } from "./sender.js";

const ANSWER_MS = 20_000;
/** Longer than any session time-out in the scenarios, on a machine that has other work too. */
const UNTIL_MS = 40_000;
const STEP_MS = 10;

/** What a scenario may do, and see. Its topics and groups are its own; its clients end with it. */
export class Lab implements Surroundings {
  readonly cluster: Cluster;
  /** Before the name of every topic and group, so that scenarios share a broker. */
  readonly prefix: string;
  readonly #clients: { close(): Promise<unknown> }[] = [];
  readonly #processes: OtherProcess[] = [];

  constructor(cluster: Cluster, prefix: string) {
    this.cluster = cluster;
    this.prefix = prefix;
  }

  get driver(): KafkaDriver {
    return this.cluster.driver;
  }

  /** A partition in the cluster's terms. */
  partition(name: string, partition: number): TopicPartition {
    return { topic: this.prefix + name, partition };
  }

  position(name: string, partition: number, offset: number): TopicPartitionOffset {
    return { ...this.partition(name, partition), offset };
  }

  /** As it stands in an observation: `t-0`. */
  label({ topic, partition }: TopicPartition): string {
    return `${topic.slice(this.prefix.length)}-${partition}`;
  }

  topics(...names: readonly string[]): Subscription {
    return { kind: "topics", topics: names.map((name) => this.prefix + name) };
  }

  /** By hand; an offset that is left out means the committed one. */
  assignment(name: string, ...offsets: readonly (number | "beginning" | "end" | undefined)[]): Subscription {
    const partitions = offsets.map((offset, partition) => ({
      ...this.partition(name, partition),
      ...(offset === undefined ? undefined : { offset }),
    }));
    return { kind: "assignment", partitions };
  }

  createTopic(name: string, partitions: number): Promise<void> {
    return this.cluster.createTopic(this.prefix + name, partitions);
  }

  grow(name: string, partitions: number): Promise<void> {
    return this.cluster.grow(this.prefix + name, partitions);
  }

  pass(ms: number): Promise<void> {
    return this.cluster.pass(ms);
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = this.cluster.now() + UNTIL_MS;
    while (!holds()) {
      if (this.cluster.now() > deadline) throw new Error(`${what}: not so after ${UNTIL_MS} ms`);
      await this.pass(STEP_MS);
    }
  }

  /** A consumer that is connected, and neither subscribed nor polling; `member.start` does both. */
  async member(clientId: string, properties: ClientProperties = {}): Promise<Member> {
    const group = String(properties["group.id"] ?? "g");
    const member = new Member(this, {
      ...this.cluster.properties,
      "client.id": clientId,
      "auto.offset.reset": "earliest",
      // In the newer protocol the broker says how often.
      ...(properties["group.protocol"] === "consumer" ? undefined : { "heartbeat.interval.ms": 200 }),
      ...properties,
      "group.id": this.prefix + group,
    });
    this.#clients.push(member);
    await member.client.connect();
    return member;
  }

  /** A consumer that polls these topics; without names, the topic `t`. */
  async join(clientId: string, properties: ClientProperties = {}, ...names: readonly string[]): Promise<Member> {
    const member = await this.member(clientId, properties);
    return member.start(this.topics(...(names.length > 0 ? names : ["t"])));
  }

  async sender(properties: ClientProperties = {}): Promise<Sender> {
    const sender = new Sender(this, { ...this.cluster.properties, "linger.ms": 0, ...properties });
    this.#clients.push(sender);
    await sender.client.connect();
    return sender;
  }

  async spawn(clientId: string, properties: ClientProperties): Promise<OtherProcess> {
    const process = await this.cluster.spawn({
      topic: `${this.prefix}t`,
      properties: { ...this.cluster.properties, "client.id": clientId, "group.id": `${this.prefix}g`, ...properties },
    });
    this.#processes.push(process);
    return process;
  }

  /** Stores so many records, with the values 0, 1, 2…, in the partition; done when they are acknowledged. */
  async fill(name: string, partition: number, count: number): Promise<void> {
    const sender = await this.sender();
    const records = Array.from({ length: count }, (_, index) => ({
      ...this.partition(name, partition),
      key: null,
      value: Buffer.from(String(index)),
    }));
    await sender.send(records);
    await sender.close();
  }

  /** What the group has committed in the first partitions of a topic; `none` where it has nothing. */
  async committed(name: string, partitions = 1, group = "g"): Promise<readonly (number | "none")[]> {
    const member = await this.member("observer", { "group.id": group });
    const all = Array.from({ length: partitions }, (_, partition) => this.partition(name, partition));
    const known = await member.client.committed(all, ANSWER_MS);
    await member.close();
    return all.map(({ partition }) => known.find((position) => position.partition === partition)?.offset ?? "none");
  }

  async close(): Promise<void> {
    for (const process of this.#processes) process.kill();
    await Promise.all(this.#clients.map((client) => client.close().catch(() => undefined)));
  }
}
