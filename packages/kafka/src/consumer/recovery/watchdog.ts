import type { Cancellable } from "@millrace/streams";
import { partitionOf } from "../../client/partition-key.js";
import type { OwnedPartition } from "../partitions/owned-partition.js";
import type { ParsedWatchdog } from "../../settings/recovery-settings.js";
import type { RecoverySteps } from "./recovery-steps.js";
import { type Step, type StuckPartition, type WatchedPartition, watched } from "./watched-partition.js";
import type { SessionContext } from "../rebalancing/session-context.js";
import type { OffsetResets } from "./offset-resets.js";

/** What a step does, as logged before it. */
const DOES: Readonly<Record<Exclude<Step, "probe">, string>> = {
  seek: "it is read anew from where it is",
  reassign: "everything assigned is assigned to the client again",
  renew: "the client is closed and a new one made; what is in flight is read again",
};

/** A partition that is on its way back is left to another part. */
type Returns = Pick<OffsetResets, "isReturning">;

/**
 * Finds partitions that are assigned and wanted, of which the client fetches nothing though the broker has more, and
 * has them read anew, more thoroughly each time:
 *
 *     fetched nothing ──► probe ──► seek ──► reassign ──► renew ──► …, later each time, until a record comes
 *
 * A partition counts as stuck when, in one whole period, 1. nothing of it came or waited; 2. a poll found the client's
 * queue empty, so that nothing of it waits there behind others; 3. the client knew of no end of it as high as the one
 * that the broker had reported before. The third distinguishes it from a partition with only hidden records at its end,
 * markers of transactions or aborted ones: the client fetches those, and hands nothing over. There, and where a client
 * does not know, it only seeks once, to where it is, because fetched records may have been lost too.
 */
export class Watchdog {
  readonly #context: SessionContext;
  readonly #settings: ParsedWatchdog;
  readonly #recoverySteps: RecoverySteps;
  readonly #resets: Returns;
  readonly #watched = new Map<string, WatchedPartition>();
  readonly #steps: Record<Step, number> = { probe: 0, seek: 0, reassign: 0, renew: 0 };
  #drains = 0;
  #timer: Cancellable | undefined;
  #closed = false;

  constructor(context: SessionContext, settings: ParsedWatchdog, recoverySteps: RecoverySteps, resets: Returns) {
    this.#context = context;
    this.#settings = settings;
    this.#recoverySteps = recoverySteps;
    this.#resets = resets;
  }

  /** How often each was done. */
  get steps(): Readonly<Record<Step, number>> {
    return this.#steps;
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = this.#context.clock.schedule(this.#settings.afterMs, () => {
      void this.#look().finally(() => this.start());
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  stuckOf(owned: OwnedPartition): StuckPartition | undefined {
    const watch = this.#watched.get(owned.key);
    if (watch?.owned !== owned || watch.lastStep === undefined || watch.nextToRead !== owned.reading.next)
      return undefined;
    const { nextToRead, end, since, lastStep } = watch;
    return {
      forMs: this.#context.clock.now() - since,
      behind: nextToRead === undefined || end === undefined ? undefined : end - nextToRead,
      lastStep,
    };
  }

  async #look(): Promise<void> {
    const { logger, settings } = this.#context;
    try {
      const due: Partial<Record<Step, WatchedPartition[]>> = {};
      for (const watch of this.#starving()) {
        const step = await this.#judge(watch);
        if (this.#closed) return;
        if (step) (due[step] ??= []).push(watch);
      }
      // One step at a time: the greater ones concern every partition.
      for (const step of ["renew", "reassign", "seek"] as const) {
        const stuck = due[step];
        if (stuck) return await this.#take(step, stuck);
      }
    } catch (error) {
      // Without an answer nothing is known: that brokers are away is reported elsewhere, and the next look comes.
      if (!this.#closed)
        logger.warn("kafka consumer: the watchdog could not do its work", { groupId: settings.groupId, error });
    }
  }

  /** Those that had a whole period in which something should have come, and nothing did. */
  #starving(): readonly WatchedPartition[] {
    const { assignment, reading, clock, logger } = this.#context;
    const hadQueueEmpty = reading.drains !== this.#drains;
    this.#drains = reading.drains;
    const starving: WatchedPartition[] = [];
    const owned = [...assignment.partitions].filter((each) => this.#isWanted(each));
    const before = new Map(this.#watched);
    // One that was lost with its client is distinguished when it comes back.
    for (const [key, { lastStep }] of before) if (lastStep !== "renew") this.#watched.delete(key);
    for (const each of owned) {
      const watch = before.get(each.key);
      if (watch?.owned === each && watch.nextToRead === each.reading.next) {
        this.#watched.set(each.key, watch);
        if (hadQueueEmpty) starving.push(watch);
        continue;
      }
      if (watch?.owned === each && watch.lastStep) {
        logger.info("kafka consumer: a partition that was stuck is read again", {
          ...partitionOf(each),
          after: watch.lastStep,
        });
      }
      const rounds = watch && watch.owned !== each && watch.lastStep === "renew" ? watch.rounds + 1 : 0;
      this.#watched.set(each.key, watched(each, clock.now(), rounds));
    }
    return starving;
  }

  /** It could be delivered at once, and nothing of it waits. */
  #isWanted(owned: OwnedPartition): boolean {
    const { flow } = this.#context.reading;
    if (owned.retired || owned.isHeld || owned.isComplete || owned.buffered > 0 || this.#resets.isReturning(owned))
      return false;
    return !flow.isPaused(owned) && flow.room(owned) > 0;
  }

  /** What is due for it. */
  async #judge(watch: WatchedPartition): Promise<Exclude<Step, "probe"> | undefined> {
    const { client, settings } = this.#context;
    if (watch.rest > 0) {
      watch.rest -= 1;
      return undefined;
    }
    const { owned, nextToRead, end: before } = watch;
    const partition = partitionOf(owned);
    const { low, high } = await client.watermarks(partition, settings.lookupTimeoutMs);
    this.#steps.probe += 1;
    if (high <= (nextToRead ?? low)) {
      watch.end = undefined;
      watch.lastStep = undefined;
      return undefined;
    }
    watch.end = high;
    // There may be more just now.
    if (before === undefined) return undefined;
    const fetched = client.fetchedWatermarks(partition)?.high;
    if (!this.#recoverySteps.areAll || (fetched !== undefined && fetched >= before)) {
      const again = !watch.lookedAgain && nextToRead !== undefined;
      watch.lookedAgain = true;
      watch.lastStep = undefined;
      return again ? "seek" : undefined;
    }
    watch.lastStep ??= "probe";
    if (watch.lastStep === "probe" && nextToRead !== undefined) return "seek";
    return watch.lastStep === "reassign" || watch.lastStep === "renew" ? "renew" : "reassign";
  }

  async #take(step: Exclude<Step, "probe">, stuck: readonly WatchedPartition[]): Promise<void> {
    const { settings, logger, clock } = this.#context;
    const steps = this.#recoverySteps;
    // Those without a last step are only read to their hidden ends; nothing is known to be wrong with them.
    const really = stuck.filter(({ lastStep }) => lastStep !== undefined);
    if (really.length > 0) {
      logger.warn(
        `kafka consumer: nothing is fetched of partitions though the broker has more, so ${DOES[step]}. Look at the client's log (debug: "fetch,cgrp"), and at the leaders of the partitions`,
        {
          groupId: settings.groupId,
          step,
          partitions: really.map(({ owned, nextToRead, end, since }) => {
            return { ...partitionOf(owned), nextToRead, end, forMs: clock.now() - since };
          }),
        },
      );
    }
    for (const watch of really) watch.lastStep = step;
    const done = step === "seek" ? steps.seek(stuck.map(({ owned }) => owned)) : steps[step]();
    if ((await done) && really.length > 0) this.#steps[step] += 1;
  }
}
