import type { TopicPartition, TopicPartitionOffset } from "@millrace/kafka";
import { NextGenGroup } from "./next-gen-group.js";
import { ClassicGroup } from "./classic-group.js";
import { GroupOffsets } from "./group-offsets.js";
import { CODE, type Simulation } from "../simulation.js";
import { keyOf, type Topics } from "./topics.js";

/** Under which a consumer commits: its generation, or its epoch. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly generation: number;
  /** It has asked to join the next generation: the broker answers one request of a connection after the other. */
  readonly joining: boolean;
}

export interface CommitRequest {
  /** Absent for a consumer that assigns itself. */
  readonly membership: MemberIdentity | undefined;
  readonly positions: readonly TopicPartitionOffset[];
}

export interface GroupTimings {
  readonly heartbeatIntervalMs: number;
  readonly sessionTimeoutMs: number;
}

/** A group: its committed positions, and its members, who follow one of the two protocols. */
export class Group {
  readonly id: string;
  readonly broker: number;
  readonly offsets: GroupOffsets = new GroupOffsets();
  readonly classic: ClassicGroup;
  readonly modern: NextGenGroup;
  readonly #simulation: Simulation;
  readonly #topics: Topics;

  constructor(id: string, simulation: Simulation, topics: Topics, timings: GroupTimings) {
    this.id = id;
    this.broker = simulation.coordinatorOf(id);
    this.#simulation = simulation;
    this.#topics = topics;
    this.classic = new ClassicGroup(id, simulation, topics);
    this.modern = new NextGenGroup(id, simulation, topics, timings);
  }

  /** Whether members of the other protocol are in the way of one that wants to join by this. */
  refuses(protocol: "classic" | "consumer"): boolean {
    return (protocol === "classic" ? this.modern : this.classic).size > 0;
  }

  get generation(): number {
    return this.modern.size > 0 ? this.modern.epoch : Math.max(this.classic.generation, this.modern.epoch);
  }

  /** What each member has been assigned, by member id. */
  get assignments(): ReadonlyMap<string, readonly TopicPartition[]> {
    return this.modern.size > 0 ? this.modern.assignments : this.classic.assignments;
  }

  /** Answers the code of a refusal; not before a join that the member had sent earlier. */
  commit(request: CommitRequest, answer: (refusal: number | undefined) => void): void {
    const { membership, positions } = request;
    if (membership && this.classic.defers(membership, () => this.commit(request, answer))) return;
    const refusal = this.#refusal(membership, false);
    this.#event("commit", membership, positions, refusal);
    answer(refusal ?? this.#keep(positions, (existing) => this.offsets.store(existing)));
  }

  /** Keeps positions until their transaction ends; answers the code of a refusal. */
  hold(transaction: object, { membership, positions }: CommitRequest): number | undefined {
    const refusal = this.#refusal(membership, true);
    this.#event("transactional offsets", membership, positions, refusal);
    return refusal ?? this.#keep(positions, (existing) => this.offsets.hold(transaction, existing));
  }

  /** Answers the code of a refusal where some of the partitions do not exist. */
  #keep(
    positions: readonly TopicPartitionOffset[],
    keep: (existing: readonly TopicPartitionOffset[]) => void,
  ): number | undefined {
    const existing = positions.filter((each) => this.#topics.log(each));
    keep(existing);
    return existing.length < positions.length ? CODE.missingTopic : undefined;
  }

  #refusal(membership: MemberIdentity | undefined, transactional: boolean): number | undefined {
    if (!membership)
      return transactional || this.modern.size + this.classic.size === 0 ? undefined : CODE.unknownMember;
    if (this.modern.size === 0) return this.classic.refusal(membership);
    const refusal = this.modern.refusal(membership);
    // The request of transactions is older than epochs, and has no code for them.
    return transactional && refusal === CODE.staleMemberEpoch ? CODE.illegalGeneration : refusal;
  }

  #event(
    what: string,
    membership: MemberIdentity | undefined,
    positions: readonly TopicPartitionOffset[],
    refusal: number | undefined,
  ): void {
    const who = membership ? `${membership.memberId} of generation ${membership.generation}` : "no member";
    const which = positions.map((each) => `${keyOf(each)}@${each.offset}`).join(" ");
    const refused = refusal === undefined ? "" : ` refused: ${refusal}`;
    this.#simulation.event(`group ${this.id}: ${what} ${which} by ${who}${refused}`);
  }
}
