import type { ConsumerListener, TopicPartition } from "../port.js";
import { KafkaConnectorError } from "../../errors/errors.js";
import { codeOf, connectorError } from "./error-codes.js";
import type { NativeConsumer, NativeTopicPartition, RebalanceCallback } from "./native.js";
import { CODE } from "../codes.js";

type Answer = "assign" | "unassign";

interface Rebalance {
  readonly answer: Answer;
  readonly partitions: readonly NativeTopicPartition[];
}

const keyOf = ({ topic, partition }: NativeTopicPartition): string => `${topic}[${partition}]`;

/**
 * Answers librdkafka's rebalances. It waits for an answer to each, and closing waits with it, so every one is answered:
 * also when the listener throws, when the client refuses to assign because it closes, and when the listener never ends
 * (then `abandon` answers at the deadline of `close`).
 */
export class Rebalancer {
  readonly #native: () => NativeConsumer;
  readonly #listener: ConsumerListener;
  /** The client is given partitions. */
  readonly #onAssigned: (partitions: readonly TopicPartition[]) => void;
  readonly #unanswered: Set<Rebalance> = new Set();
  #cooperative: boolean | undefined;
  #lost = false;
  #holds = false;
  #abandoned = false;
  #leaving = false;
  /** Assigned to a client that was leaving already; the listener was not notified of them. */
  readonly #unnotified = new Set<string>();
  /** It was notified of the last assignment. */
  #notified = true;
  #onAnswered: () => void = () => undefined;

  constructor(
    native: () => NativeConsumer,
    listener: ConsumerListener,
    onAssigned: (partitions: readonly TopicPartition[]) => void = () => undefined,
  ) {
    this.#native = native;
    this.#listener = listener;
    this.#onAssigned = onAssigned;
  }

  /** Rebalances whose listener has not ended. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** The last answer was an assignment: there is something to revoke. */
  get holds(): boolean {
    return this.#holds;
  }

  /**
   * The group has gone on without this member, so what is revoked before the next assignment is owned by others
   * already. librdkafka knows of every such loss, but node-rdkafka passes on only the partitions: so the client's
   * errors mark it. Bindings that report it are asked when they revoke.
   */
  markLost(): void {
    this.#lost = true;
  }

  /** Never throws: node-rdkafka calls it from native code. */
  readonly onRebalance: RebalanceCallback = (event, partitions) => {
    const code = event === undefined ? undefined : codeOf(event);
    const answer: Answer = code === CODE.assignPartitions ? "assign" : "unassign";
    if (answer === "unassign" && code !== CODE.revokePartitions) {
      this.#listener.onError(connectorError("REBALANCE_FAILED", "The group could not be rebalanced", event));
    }
    const rebalance: Rebalance = { answer, partitions };
    this.#unanswered.add(rebalance);
    this.#lost = answer === "unassign" && (this.#lost || this.#native().assignmentLost?.() === true);
    const known = this.#toNotify(rebalance);
    if (known) void this.#serve(rebalance, known);
    if (this.#abandoned || !known) this.#answer(rebalance);
  };

  /**
   * 1. Closing waits for a listener; 2. the group goes on as soon as its rebalance is answered; 3. a poll that was there to
   * serve that one takes the next, and what it assigns is given up at once.
   */
  leave(): void {
    this.#leaving = true;
  }

  #toNotify({ answer, partitions }: Rebalance): readonly NativeTopicPartition[] | undefined {
    if (answer === "assign") {
      if (!this.#leaving) return partitions;
      for (const each of partitions) this.#unnotified.add(keyOf(each));
      this.#notified = false;
      return undefined;
    }
    const known = partitions.filter((each) => !this.#unnotified.has(keyOf(each)));
    return known.length > 0 || this.#notified ? known : undefined;
  }

  /** Everything that is assigned begins anew. Refused during a rebalance, which such a call would answer. */
  reassign(partitions: readonly NativeTopicPartition[]): void {
    if (this.#unanswered.size > 0) {
      throw new KafkaConnectorError("REBALANCE_FAILED", "A rebalance is under way. Assign again once it is over.", {
        retriable: true,
      });
    }
    const native = this.#native();
    try {
      if (this.#cooperative) {
        native.incrementalUnassign(partitions);
        native.incrementalAssign(partitions);
      } else native.assign(partitions);
    } catch (error) {
      throw connectorError("CLIENT_FAILED", "The client refused to assign its partitions again", error);
    }
  }

  /** Resolves when a rebalance is answered next; for one waiter. */
  answered(): Promise<void> {
    return new Promise((resolve) => (this.#onAnswered = resolve));
  }

  /** Answers what is unanswered, and from now on at once; the listeners that still run are ignored when they end. */
  abandon(): void {
    this.#abandoned = true;
    for (const rebalance of this.#unanswered) this.#answer(rebalance);
  }

  async #serve(rebalance: Rebalance, known: readonly NativeTopicPartition[]): Promise<void> {
    const { answer } = rebalance;
    const partitions: readonly TopicPartition[] = known.map(({ topic, partition }) => ({ topic, partition }));
    const name = this.#handlerOf(answer);
    try {
      await this.#listener[name]?.(partitions);
    } catch (error) {
      this.#listener.onError(connectorError("REBALANCE_FAILED", `The rebalance listener's ${name} threw`, error));
    }
    this.#answer(rebalance);
  }

  #handlerOf(answer: Answer): "onAssign" | "onRevoke" | "onLost" {
    if (answer === "assign") return "onAssign";
    return this.#lost && this.#listener.onLost ? "onLost" : "onRevoke";
  }

  #answer(rebalance: Rebalance): void {
    if (!this.#unanswered.delete(rebalance)) return;
    this.#holds = rebalance.answer === "assign";
    try {
      if (rebalance.answer === "assign") this.#assign(rebalance.partitions);
      else this.#unassign(rebalance.partitions);
    } catch (error) {
      // What a leaving client is assigned was not passed on, so what it refuses is not missed.
      if (!(this.#leaving && rebalance.answer === "assign")) {
        const failure = `The client refused to ${rebalance.answer} partitions`;
        this.#listener.onError(connectorError("REBALANCE_FAILED", failure, error));
      }
    }
    this.#onAnswered();
  }

  #assign(partitions: readonly NativeTopicPartition[]): void {
    const native = this.#native();
    this.#cooperative = native.rebalanceProtocol() === "COOPERATIVE";
    const started = partitions.map((each) => this.#started(each));
    this.#onAssigned(partitions);
    try {
      if (this.#cooperative) native.incrementalAssign(started);
      else native.assign(started);
    } catch (error) {
      // 1. The group assigns; 2. `close` begins, after which the client refuses to assign; 3. closing waits for an answer.
      this.#giveUp(native);
      throw error;
    }
  }

  /** Assigned with its offset it is fetched from there at once: a seek would come after the first fetch. */
  #started(partition: NativeTopicPartition): NativeTopicPartition {
    const offset = this.#listener.startOf?.({ topic: partition.topic, partition: partition.partition });
    return offset === undefined ? partition : { ...partition, offset };
  }

  #unassign(partitions: readonly NativeTopicPartition[]): void {
    const native = this.#native();
    // While closing the protocol reads "NONE", so the one of the last assignment counts.
    const cooperative = this.#cooperative ?? native.rebalanceProtocol() === "COOPERATIVE";
    try {
      if (cooperative) native.incrementalUnassign(partitions);
      else native.unassign();
    } catch (error) {
      this.#giveUp(native);
      throw error;
    }
  }

  #giveUp(native: NativeConsumer): void {
    try {
      native.unassign();
    } catch {
      // The first error is the one reported; this is the last thing that can be tried.
    }
  }
}
