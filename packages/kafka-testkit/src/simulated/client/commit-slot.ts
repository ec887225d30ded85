import type { CommitRequest, Group } from "../broker/group.js";
import { CODE, type Simulation } from "../simulation.js";

interface Commit {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  answer: { readonly error: Error | undefined } | undefined;
  /** Called once there is an answer, even if it has not been served. */
  readonly answered: (() => void)[];
}

/** The share of the commits held up by an outage that is never stored. */
const REFUSED_AFTER_OUTAGE = 0.5;

/** The one commit that may be under way. Its answer waits until it is served. */
export class CommitSlot {
  readonly #simulation: Simulation;
  readonly #group: Group;
  readonly #wake: () => void;
  #commit: Commit | undefined;
  #dead = false;

  constructor(simulation: Simulation, group: Group, wake: () => void) {
    this.#simulation = simulation;
    this.#group = group;
    this.#wake = wake;
  }

  get pending(): boolean {
    return this.#commit !== undefined;
  }

  /** `revoking`: it belongs to a revocation that is under way. */
  send(request: CommitRequest, revoking: boolean): Promise<void> {
    if (this.#commit) {
      return Promise.reject(
        this.#simulation.retriable("COMMIT_FAILED", "A commit is in flight. Await it before the next one."),
      );
    }
    if (request.positions.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const commit: Commit = { resolve, reject, answer: undefined, answered: [] };
      this.#commit = commit;
      if (!this.#dead) this.#send(request, commit, revoking);
    });
  }

  /** Resolves once the broker has answered what was sent. */
  async answered(): Promise<void> {
    const commit = this.#commit;
    if (commit && !commit.answer) await new Promise<void>((resolve) => commit.answered.push(resolve));
  }

  /** Hands over the answer, if there is one. */
  serve(): void {
    const commit = this.#commit;
    if (!commit?.answer) return;
    this.#commit = undefined;
    if (commit.answer.error) commit.reject(commit.answer.error);
    else commit.resolve();
  }

  /** What was sent may still arrive; the process will not learn of it. */
  kill(): void {
    this.#dead = true;
  }

  close(): void {
    for (const proceed of this.#commit?.answered ?? []) proceed();
    this.#commit?.reject(
      this.#simulation.error(
        "CONSUMER_CLOSED",
        "The consumer closed before the commit was answered; it may be stored.",
      ),
    );
    this.#commit = undefined;
  }

  /** The delay is spent in two parts, so that the broker may change between storing and answering. */
  #send(request: CommitRequest, commit: Commit, revoking: boolean): void {
    const delay = this.#simulation.draw(this.#simulation.faults.commitDelayMs);
    const there = this.#simulation.random.int(0, delay);
    const answer = (error: Error | undefined): void => {
      const back = (): void => {
        commit.answer = { error };
        for (const proceed of commit.answered) proceed();
        this.#wake();
      };
      this.#simulation.request([delay - there, delay - there], back, this.#group.broker);
    };
    const due = this.#simulation.clock.now() + there;
    const arrive = (): void => {
      const heldUp = this.#simulation.clock.now() > due;
      // A broker that comes back may not coordinate the group yet, and the client does not ask again.
      if (heldUp && this.#simulation.random.happens(REFUSED_AFTER_OUTAGE)) answer(this.#refused(CODE.notCoordinator));
      else this.#store(request, revoking, answer);
    };
    this.#simulation.request([there, there], arrive, this.#group.broker);
  }

  #store(request: CommitRequest, revoking: boolean, answer: (error: Error | undefined) => void): void {
    const { random, faults } = this.#simulation;
    if (revoking && random.happens(faults.revocationCommitRefusalRate)) {
      return answer(this.#refused(CODE.rebalanceInProgress));
    }
    if (random.happens(faults.commitRefusalRate)) return answer(this.#refused(CODE.groupAuthorization));
    if (random.happens(faults.commitErrorRate)) return answer(this.#refused(CODE.notCoordinator));
    this.#group.commit(request, (refusal) => {
      if (refusal !== undefined) answer(this.#refused(refusal));
      else answer(random.happens(faults.commitLossRate) ? this.#refused(CODE.timedOut) : undefined);
    });
  }

  #refused(code: number): Error {
    this.#simulation.event(`commit fails with ${code}`);
    return this.#simulation.error("COMMIT_FAILED", REASONS.get(code) ?? "The commit failed.", code);
  }
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [CODE.groupAuthorization, "Committing to this group is not allowed. Grant this user access to it."],
  [CODE.notCoordinator, "The broker does not coordinate this group any more. Commit again."],
  [CODE.missingTopic, "A partition does not exist. Commit positions of partitions that do."],
  [CODE.timedOut, "No answer to the commit, which may be stored. Commit again."],
  [CODE.illegalGeneration, "The group has rebalanced since. The next owner reads the records again."],
  [CODE.unknownMember, "The group does not know this member any more. The next owner reads the records again."],
  [CODE.staleMemberEpoch, "The group has moved on. Commit again, for what is still assigned."],
  [CODE.rebalanceInProgress, "The group rebalances. Commit again after it, for what is still assigned."],
]);
