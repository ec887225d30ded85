import type { Logger } from "@millrace/streams";
import type { TopicPartition } from "../../client/port.js";
import { placeOf } from "../../client/partition-key.js";
import type { Assignment } from "../partitions/assignment.js";
import type { Commits } from "../committing/commits.js";
import type { FlowControl } from "../reading/flow-control.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { SessionLife } from "../partitions/session-life.js";
import type { ReadLoop } from "../reading/read-loop.js";
import type { HandlerCalls } from "./rebalance-handlers.js";
import type { PartitionReports } from "../partitions/partition-report.js";

/** How long a revocation waits for its last commit. */
const REVOKE_COMMIT_MS = 5000;

export interface GivingUpOptions {
  readonly groupId: string;
  readonly logger: Logger;
  readonly assignment: Assignment;
  readonly reports: PartitionReports;
  readonly flow: FlowControl;
  readonly reading: ReadLoop;
  readonly commits: Pick<Commits, "busy" | "check" | "now" | "untilEnded" | "within">;
  readonly handlers: HandlerCalls;
  readonly life: SessionLife;
  readonly onGivenUp: (partitions: readonly OwnedPartition[]) => void;
}

/** How partitions are given up: in peace, or when others own them already. */
export class GivingUp {
  readonly #options: GivingUpOptions;

  constructor(options: GivingUpOptions) {
    this.#options = options;
  }

  /** I4: delivers no more of them, lets their claims end, commits, and only then fences: fencing first would replay it. */
  async revoke(partitions: readonly TopicPartition[]): Promise<void> {
    const { groupId, logger, assignment, reading, handlers, onGivenUp, life } = this.#options;
    const revoked = assignment.owned(partitions);
    const dropped = revoked.reduce((sum, owned) => sum + owned.retire(), 0);
    onGivenUp(revoked);
    reading.wake();
    if (!life.isClosed) await this.#finish(revoked);
    const unfinished = revoked.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.giveUp(revoked);
    const what = { groupId, partitions, dropped, unfinished };
    if (unfinished === 0 || life.isClosed) logger.info("kafka consumer: partitions revoked", what);
    else logger.warn("kafka consumer: partitions revoked before all their records were finished", what);
    await handlers.call("onRevoke", partitions);
  }

  async #finish(revoked: readonly OwnedPartition[]): Promise<void> {
    const { groupId, logger, commits } = this.#options;
    await commits.untilEnded(revoked);
    if (!commits.busy && !revoked.some(({ hasNews }) => hasNews)) return;
    const committed = commits.now().catch((error: unknown) => {
      const what = "the commit before partitions are given up failed; the next owner reads again what it was to commit";
      logger.warn(`kafka consumer: ${what}`, { groupId, partitions: revoked.map(placeOf), error });
    });
    await commits.within(REVOKE_COMMIT_MS, committed);
  }

  /** I5: they are somebody else's already, so nothing of them may be committed any more. */
  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    const { groupId, logger, assignment, commits, handlers, onGivenUp } = this.#options;
    const lost = assignment.owned(partitions);
    const abandoned = lost.reduce((sum, owned) => sum + owned.ledger.inFlight, 0);
    this.giveUp(lost);
    onGivenUp(lost);
    commits.check();
    logger.warn("kafka consumer: partitions lost", { groupId, partitions, abandoned });
    await handlers.call("onLost", partitions);
  }

  giveUp(owned: readonly OwnedPartition[]): void {
    const { reports, assignment, flow, reading, life } = this.#options;
    // Others may have been lost while they were waited for.
    const partitions = owned.filter((each) => assignment.get(each) === each);
    reports.add(partitions);
    assignment.remove(partitions);
    try {
      flow.forget(partitions);
    } catch (error) {
      life.fail(error);
    }
    reading.wake();
  }
}
