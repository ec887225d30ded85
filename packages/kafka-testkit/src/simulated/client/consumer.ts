import type {
  ClientProperties,
  ClusterMetadata,
  ConsumerClient,
  ConsumerListener,
  KafkaConnectorError,
  PollOptions,
  RecordChunk,
  Subscription,
  StartingPartition,
  TopicPartition,
  TopicPartitionOffset,
  TopicPartitionTime,
  Watermarks,
} from "@millrace/kafka";
import type { Cancellable } from "@millrace/streams";
import type { ClientHost, SimulatedClient } from "./client-host.js";
import { CommitSlot } from "./commit-slot.js";
import { type ConsumerSettings, consumerSettings } from "./consumer-settings.js";
import { NextGenMember } from "./next-gen-member.js";
import type { Group, MemberIdentity } from "../broker/group.js";
import { ClassicMember } from "./classic-member.js";
import { Lookups } from "./lookups.js";
import type { Member, MemberOptions } from "./member.js";
import { type Cure, Positions } from "./positions.js";
import { SimulatedChunk } from "./record-chunk.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, namesOf } from "../broker/topics.js";

/** How long `close` waits for the answer to a commit in flight. */
const CLOSE_COMMIT_MS = 5000;

/**
 * A consumer of the simulated cluster. As with the real client, rebalances, commit answers and errors wait until a poll
 * serves them; a killed one answers and reports nothing, and its polls end only when it is closed.
 * Long: it is the whole of a client's port.
 */
export class SimulatedConsumer implements ConsumerClient, SimulatedClient {
  readonly clientId: string;
  readonly #settings: ConsumerSettings;
  readonly #host: ClientHost;
  readonly #simulation: Simulation;
  readonly #listener: ConsumerListener;
  readonly #group: Group;
  readonly #positions: Positions;
  readonly #lookups: Lookups;
  readonly #commits: CommitSlot;
  /** For the listener. */
  readonly #errors: Error[] = [];
  /** Thrown by one poll each. */
  readonly #pollErrors: Error[] = [];
  #failure: KafkaConnectorError | undefined;
  #membership: Member | undefined;
  #connected = false;
  #dead = false;
  #polling: Promise<unknown> | undefined;
  #lastPollAt = 0;
  /** It was reported as polling too late, and has not polled since. */
  #late = false;
  #pollWatch: Cancellable | undefined;
  #topicWatch: Cancellable | undefined;
  #wake: () => void = () => undefined;
  #closing: Promise<void> | undefined;

  constructor(host: ClientHost, properties: ClientProperties, listener: ConsumerListener) {
    this.#settings = consumerSettings(properties);
    this.clientId = this.#settings.clientId;
    this.#host = host;
    this.#simulation = host.simulation;
    this.#listener = listener;
    this.#group = host.group(this.#settings.groupId);
    const { simulation, topics } = host;
    const { offsetReset: reset, isolation } = this.#settings;
    this.#positions = new Positions({
      simulation,
      topics,
      offsets: this.#group.offsets,
      reset,
      isolation,
      onEnd: (end) => this.#listener.onPartitionEnd?.(end),
      onRemade: (topic) => this.#listener.onTopicRemade?.(topic),
    });
    this.#lookups = new Lookups({
      ...{ host, group: this.#group, isolation },
      requireOpen: (call) => this.#requireOpen(call),
      isDead: () => this.#dead,
    });
    this.#commits = new CommitSlot(host.simulation, this.#group, () => this.#wake());
  }

  connect(): Promise<void> {
    if (this.#closing) return Promise.reject(this.#closedError("connect"));
    return new Promise((resolve) => {
      this.#simulation.request(this.#simulation.faults.latencyMs, () => {
        this.#connected = true;
        resolve();
      });
    });
  }

  subscribe(subscription: Subscription): void {
    this.#requireOpen("subscribe");
    if (this.#dead) return;
    if (subscription.kind === "assignment") {
      this.#positions.clear();
      this.#positions.take(subscription.partitions);
      return;
    }
    const { simulation } = this.#host;
    const reads =
      subscription.kind === "pattern"
        ? (topic: string) => topic.search(subscription.pattern) !== -1
        : (topic: string) => subscription.topics.includes(topic);
    const missing = this.#settings.protocol.name === "classic" ? this.#host.topics.missingFrom(subscription) : [];
    for (const topic of missing) {
      this.#pollErrors.push(
        simulation.error("POLL_FAILED", `There is no topic ${topic}. Create it.`, CODE.missingTopic),
      );
    }
    this.#membership = this.#join({
      ...this.#settings,
      simulation,
      reads,
      listener: this.#listener,
      take: (partitions) => this.#positions.take(partitions),
      giveUp: (partitions) => this.#positions.giveUp(partitions),
      wake: () => this.#wake(),
      fail: (error) => this.#fail(error),
      committed: () => this.#commits.answered(),
    });
    this.#lastPollAt = simulation.clock.now();
    this.#watchPolls();
    this.#watchTopics();
  }

  addPartitions(partitions: readonly StartingPartition[]): void {
    this.#requireBetweenPolls("read more partitions");
    if (!this.#dead) this.#positions.take(partitions);
  }

  removePartitions(partitions: readonly TopicPartition[]): void {
    this.#requireBetweenPolls("give partitions up");
    if (!this.#dead) this.#positions.giveUp(partitions);
  }

  /** Under which it commits, or sends offsets to a transaction; absent for one that assigns itself. */
  get identity(): { readonly group: Group; readonly membership: MemberIdentity | undefined } {
    // A consumer that lost its group is no member, which is not the same as one that assigns itself.
    const none = this.#membership ? { memberId: "", generation: -1, joining: false } : undefined;
    return { group: this.#group, membership: this.#membership?.current ?? none };
  }

  async poll(options: PollOptions): Promise<RecordChunk | undefined> {
    this.#requireOpen("poll");
    if (this.#polling) {
      throw this.#simulation.error("POLL_FAILED", "A poll is running. Await it before the next one.");
    }
    this.#late = false;
    const polling = this.#poll(options);
    this.#polling = polling.catch(() => undefined);
    try {
      return await polling;
    } finally {
      this.#lastPollAt = this.#simulation.clock.now();
      this.#polling = undefined;
    }
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#positions.setPaused(partitions, true);
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#positions.setPaused(partitions, false);
    this.#wake();
  }

  async seek(positions: readonly TopicPartitionOffset[]): Promise<void> {
    this.#requireOpen("seek");
    if (this.#polling) {
      throw this.#simulation.error("CLIENT_FAILED", "A poll is running. Await it before a seek.");
    }
    const { random, faults } = this.#simulation;
    if (!this.#dead && random.happens(faults.seekErrorRate)) {
      this.#simulation.event(`${this.clientId}: seek of ${namesOf(positions)} fails`);
      throw this.#simulation.error("CLIENT_FAILED", "The seek timed out, and nothing was moved.", CODE.timedOut);
    }
    const [unread] = this.#dead ? [] : this.#positions.seek(positions);
    if (!unread) return;
    throw this.#simulation.error("CLIENT_FAILED", `${keyOf(unread)} is not assigned.`, CODE.unknownPartition);
  }

  reassign(partitions: readonly StartingPartition[]): void {
    this.#requireOpen("assign again");
    if (this.#membership?.busy) {
      throw this.#simulation.error("REBALANCE_FAILED", "A rebalance is under way. Assign again once it is over.");
    }
    if (this.#dead) return;
    this.#positions.giveUp(partitions);
    this.#positions.take(partitions);
  }

  fetchedWatermarks(partition: TopicPartition): Watermarks | undefined {
    return this.#positions.fetchedWatermarks(partition);
  }

  async commit(positions: readonly TopicPartitionOffset[]): Promise<void> {
    this.#requireOpen("commit");
    if (this.#failure) {
      const { clientCode } = this.#failure;
      throw this.#simulation.error("COMMIT_FAILED", "The client has failed. Make a new one.", clientCode);
    }
    await this.#commits.send({ membership: this.identity.membership, positions }, this.#membership?.revoking === true);
  }

  committed(partitions: readonly TopicPartition[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#lookups.committed(partitions, timeoutMs);
  }

  watermarks(partition: TopicPartition, timeoutMs: number): Promise<Watermarks> {
    return this.#lookups.watermarks(partition, timeoutMs);
  }

  offsetsForTimes(times: readonly TopicPartitionTime[], timeoutMs: number): Promise<readonly TopicPartitionOffset[]> {
    return this.#lookups.offsetsForTimes(times, timeoutMs);
  }

  metadata(topic: string | undefined, timeoutMs: number): Promise<ClusterMetadata> {
    return this.#lookups.metadata(topic, timeoutMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The process ends here: it neither commits nor leaves its group. */
  kill(): void {
    if (this.#dead || this.#closing) return;
    this.#dead = true;
    this.#stopWatches();
    this.#commits.kill();
    this.#membership?.kill();
    this.#simulation.event(`${this.clientId}: killed`);
  }

  expire(): void {
    this.#membership?.expire();
  }

  fence(): void {
    this.#membership?.fence?.();
  }

  hang(partition: TopicPartition, cure: Cure): boolean {
    return this.#positions.hang(partition, cure);
  }

  onOutage(error: Error): void {
    if (this.#connected) this.#errors.push(error);
    this.#wake();
  }

  async #poll({ maxRecords, waitMs }: PollOptions): Promise<RecordChunk | undefined> {
    const deadline = this.#simulation.clock.now() + waitMs;
    this.#positions.beginPoll();
    // It always takes a turn: a loop of polls must leave room for other work.
    await new Promise<void>((resolve) => {
      this.#simulation.schedule(this.#simulation.draw(this.#simulation.faults.fetchDelayMs), resolve);
    });
    while (!this.#closing) {
      if (!this.#dead) {
        this.#serve();
        const chunk = this.#fetch(maxRecords);
        if (chunk) return chunk;
        if (this.#simulation.clock.now() >= deadline) return undefined;
      }
      await this.#wait(this.#dead ? undefined : deadline);
    }
    return undefined;
  }

  #serve(): void {
    for (const error of this.#errors.splice(0)) this.#listener.onError(error);
    this.#commits.serve();
    this.#membership?.serve();
  }

  #fetch(maxRecords: number): RecordChunk | undefined {
    const error = this.#pollErrors.shift() ?? this.#positions.takeError();
    if (error) throw error;
    if (this.#membership?.busy) return undefined;
    const records = this.#positions.fetch(maxRecords);
    return records.length > 0 ? new SimulatedChunk(records) : undefined;
  }

  /** Until there may be something to do, or the deadline. */
  async #wait(deadline: number | undefined): Promise<void> {
    let timer: Cancellable | undefined;
    let ignore: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      ignore = this.#host.topics.onChange(resolve);
      if (deadline !== undefined) timer = this.#simulation.schedule(deadline - this.#simulation.clock.now(), resolve);
    });
    timer?.cancel();
    ignore();
  }

  #watchPolls(): void {
    const { clock } = this.#simulation;
    const maxMs = this.#settings.maxPollIntervalMs;
    this.#pollWatch = this.#simulation.schedule(this.#lastPollAt + maxMs - clock.now(), () => {
      const late = !this.#polling && this.#lastPollAt + maxMs <= clock.now();
      if (late || this.#polling) this.#lastPollAt = clock.now();
      if (late && !this.#late) this.#leaveAsLate();
      this.#watchPolls();
    });
  }

  #leaveAsLate(): void {
    this.#late = true;
    this.#simulation.event(`${this.clientId}: polled too late`);
    this.#pollErrors.push(
      this.#simulation.error("POLL_FAILED", "The consumer polled too late and left its group.", CODE.maxPollExceeded),
    );
    this.#membership?.quit();
  }

  #watchTopics(): void {
    this.#topicWatch = this.#simulation.schedule(this.#settings.metadataRefreshMs, () => {
      if (this.#simulation.outageLeftMs() === 0) this.#membership?.refresh();
      this.#watchTopics();
    });
  }

  #stopWatches(): void {
    this.#pollWatch?.cancel();
    this.#topicWatch?.cancel();
  }

  #join(options: MemberOptions): Member {
    const { protocol } = this.#settings;
    const membership =
      protocol.name === "classic"
        ? new ClassicMember(options, this.#group, protocol.assignors)
        : new NextGenMember(options, this.#group, protocol.assign);
    if (this.#group.refuses(protocol.name)) {
      this.#fail(
        this.#simulation.error(
          "POLL_FAILED",
          `Group ${this.#group.id} has members of the other group.protocol, and the simulation knows no migration. End them first.`,
          CODE.inconsistentProtocol,
        ),
      );
    } else membership.join();
    return membership;
  }

  #fail(error: KafkaConnectorError): void {
    if (this.#dead || this.#closing) return;
    if (error.fatal) this.#failure ??= error;
    this.#pollErrors.push(error);
    this.#wake();
  }

  async #close(): Promise<void> {
    this.#wake();
    await this.#polling;
    this.#stopWatches();
    if (!this.#dead) {
      const deadline = this.#simulation.clock.now() + CLOSE_COMMIT_MS;
      for (this.#serve(); this.#commits.pending && this.#simulation.clock.now() < deadline; this.#serve()) {
        await this.#wait(deadline);
      }
      await this.#membership?.leave();
      this.#simulation.event(`${this.clientId}: closed`);
    }
    this.#commits.close();
    this.#host.remove(this);
  }

  #requireBetweenPolls(call: string): void {
    this.#requireOpen(call);
    if (!this.#polling) return;
    throw this.#simulation.error("CLIENT_FAILED", `Cannot ${call}: a poll is running. Await it.`);
  }

  #requireOpen(call: string): void {
    if (this.#closing) throw this.#closedError(call);
    if (!this.#connected) {
      throw this.#simulation.error("CLIENT_FAILED", `Cannot ${call}: the consumer is not connected. Await connect().`);
    }
  }

  #closedError(call: string): Error {
    return this.#simulation.error("CONSUMER_CLOSED", `Cannot ${call}: the consumer is closed. Make a new one.`);
  }
}
